package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// lockName is the file in the data folder that a running server holds. It
// stays when the server ends; only the lock on it counts.
const lockName = "server.lock"

// errLocked is returned by the system when another process holds the file.
var errLocked = errors.New("another process holds the lock")

// lock keeps other servers from the data folder dir until the file that it
// returns is closed, or the process ends in whichever way. The commands on the
// database do not ask for it: they work beside a server on purpose.
func lock(dir string) (*os.File, error) {
	folder, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the data folder: %w", err)
	}
	path := filepath.Join(folder, lockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	err = hold(f)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("another heliograph serves with the data folder %s already, and two would undo each other's work: stop that one, or name another folder with --data", folder)
	}
	return nil, fmt.Errorf("locking %s: %w", path, err)
}

// Package store keeps users, stream keys, sessions, secrets and the documents
// of other parts in one SQLite file. It implements auth.Storage and knows nothing of what the rows are good
// for: it compares no password, no token and no role.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/heliograph/heliograph/server/auth"
)

// FileName is the database's name inside the data folder.
const FileName = "heliograph.db"

// maxConns bounds the connections to the file: one writes, others read.
const maxConns = 4

// Store is the open database. Its methods may be called from anywhere, and by
// several processes on the same file.
type Store struct {
	// set at construction
	db *sql.DB
}

var _ auth.Storage = (*Store)(nil)

// ErrMissing is returned where a database must be there already and is not.
var ErrMissing = errors.New("there is no database of heliograph")

// OpenExisting is Open for a folder that holds a database already; otherwise
// it makes nothing and returns ErrMissing, with the folder's whole path.
func OpenExisting(ctx context.Context, dir string) (*Store, error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, fmt.Errorf("finding the data folder: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s: name the server's folder with --data, or run this in the folder where the server was started", ErrMissing, filepath.Dir(path))
	}
	return Open(ctx, dir)
}

// Open opens the database in the folder dir and brings its tables up to date;
// folder and file are made if missing, readable by their owner only.
func Open(ctx context.Context, dir string) (*Store, error) {
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, fmt.Errorf("finding the data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, explained(path, err)
	}
	if err := protect(path); err != nil {
		return nil, explained(path, err)
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(maxConns)
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(explained(path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// explained says what to do about a database at path that does not open.
func explained(path string, err error) error {
	dir := filepath.Dir(path)
	var e *sqlite.Error
	code := sqlite3.SQLITE_OK
	if errors.As(err, &e) {
		code = e.Code() & 0xff // without what SQLite calls the extended part
	}
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("the data folder %s is a file, or is inside of one; name a folder with --data: %w", dir, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), code == sqlite3.SQLITE_CANTOPEN, code == sqlite3.SQLITE_READONLY:
		return fmt.Errorf("the data folder %s is not writable; give it to the user that runs heliograph, or name another with --data: %w", dir, err)
	case code == sqlite3.SQLITE_NOTADB, code == sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%s is damaged or no database; put a copy of it back, or move it away to begin with an empty one: %w", path, err)
	}
	return fmt.Errorf("opening %s: %w", path, err)
}

// protect makes the file before SQLite does, which would leave its mode to the
// umask; the journals beside it take over its mode.
func protect(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// dsn writes the path as a URI, so that no character in it is taken for a parameter.
func dsn(path string) string {
	pragmas := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)"},
		"_txlock": {"immediate"},
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: pragmas.Encode()}
	return u.String()
}

// within runs f in a transaction.
func (s *Store) within(ctx context.Context, f func(tx *sql.Tx) error) error {
	return within(ctx, s.db, f)
}

func within(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// mapped turns the errors of SQL into those of auth.Storage.
func mapped(err error) error {
	var e *sqlite.Error
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return auth.ErrNotFound
	case errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE):
		return auth.ErrExists
	}
	return err
}

// affected returns auth.ErrNotFound or otherwise when no row was changed.
func affected(r sql.Result, err error, none error) error {
	if err != nil {
		return mapped(err)
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		return none
	}
	return err
}

// Package store keeps users, stream keys, sessions and secrets in one SQLite
// file. It implements auth.Storage and knows nothing of what the rows are good
// for: it compares no password, no token and no role.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

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

// Open opens the database in the folder dir and brings its tables up to date;
// folder and file are made if missing, readable by their owner only.
func Open(ctx context.Context, dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, fmt.Errorf("finding the data folder: %w", err)
	}
	if err := protect(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(maxConns)
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), db.Close())
	}
	return &Store{db: db}, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// protect makes the file before SQLite does, which would leave its mode to the
// umask; the journals beside it take over its mode.
func protect(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
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

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ErrNewer is returned for a database that a newer version has written.
var ErrNewer = errors.New("the database was written by a newer version of heliograph; use that version, or another --data folder")

// migrations returns the steps from an empty file to today's tables. A step
// that has been released is never changed, only followed by another.
func migrations() []string {
	return []string{
		`CREATE TABLE users (
			name    TEXT PRIMARY KEY COLLATE NOCASE,
			hash    TEXT NOT NULL,
			role    TEXT NOT NULL,
			enabled INTEGER NOT NULL
		) STRICT;
		CREATE TABLE keys (
			stream  TEXT PRIMARY KEY,
			hash    BLOB NOT NULL UNIQUE,
			private INTEGER NOT NULL
		) STRICT;
		CREATE TABLE sessions (
			hash    BLOB PRIMARY KEY,
			user    TEXT NOT NULL COLLATE NOCASE REFERENCES users(name) ON DELETE CASCADE,
			expires INTEGER NOT NULL
		) STRICT;
		CREATE INDEX sessions_user ON sessions(user, expires);
		CREATE INDEX sessions_expires ON sessions(expires);
		CREATE TABLE secrets (
			name  TEXT PRIMARY KEY,
			value BLOB NOT NULL
		) STRICT;`,
		`ALTER TABLE keys ADD COLUMN sealed BLOB; -- NULL for the keys made before
		CREATE TABLE documents (
			kind TEXT NOT NULL,
			id   TEXT NOT NULL,
			body BLOB NOT NULL,
			PRIMARY KEY (kind, id)
		) STRICT;`,
	}
}

// migrate runs the steps that the file has not seen. SQLite's user_version
// counts them, and one transaction keeps two processes from mixing.
func migrate(ctx context.Context, db *sql.DB) error {
	return within(ctx, db, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		steps := migrations()
		if version > len(steps) {
			return ErrNewer
		}
		for i, step := range steps[version:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return fmt.Errorf("migration %d: %w", version+i+1, err)
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
		return err
	})
}

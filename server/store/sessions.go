package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/heliograph/heliograph/server/auth"
)

// AddSession implements auth.Sessions.
func (s *Store) AddSession(ctx context.Context, row auth.Session, now time.Time, most int) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE expires <= ?", now.UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE hash IN
			(SELECT hash FROM sessions WHERE user = ? ORDER BY expires DESC, rowid DESC LIMIT -1 OFFSET ?)`, row.User, most-1)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx,
			"INSERT INTO sessions (hash, user, expires) VALUES (?, ?, ?)", row.Hash, row.User, row.Expires.UnixMilli())
		return mapped(err)
	})
}

// Session implements auth.Sessions.
func (s *Store) Session(ctx context.Context, hash []byte) (auth.Session, error) {
	var row auth.Session
	var expires int64
	err := s.db.QueryRowContext(ctx, "SELECT hash, user, expires FROM sessions WHERE hash = ?", hash).
		Scan(&row.Hash, &row.User, &expires)
	row.Expires = time.UnixMilli(expires)
	return row, mapped(err)
}

// RemoveSession implements auth.Sessions.
func (s *Store) RemoveSession(ctx context.Context, hash []byte) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM sessions WHERE hash = ?", hash)
	return err
}

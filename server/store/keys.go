package store

import (
	"context"

	"github.com/heliograph/heliograph/server/auth"
)

// PutKey implements auth.Keys.
func (s *Store) PutKey(ctx context.Context, k auth.Key) error {
	_, err := s.db.ExecContext(ctx,
		"INSERT OR REPLACE INTO keys (stream, hash, sealed, private) VALUES (?, ?, ?, ?)", k.Stream, k.Hash, k.Sealed, k.Private)
	return err
}

// KeyOf implements auth.Keys.
func (s *Store) KeyOf(ctx context.Context, stream string) (auth.Key, error) {
	return s.key(ctx, "SELECT stream, hash, sealed, private FROM keys WHERE stream = ?", stream)
}

// KeyByHash implements auth.Keys.
func (s *Store) KeyByHash(ctx context.Context, hash []byte) (auth.Key, error) {
	return s.key(ctx, "SELECT stream, hash, sealed, private FROM keys WHERE hash = ?", hash)
}

func (s *Store) key(ctx context.Context, query string, arg any) (auth.Key, error) {
	var k auth.Key
	err := s.db.QueryRowContext(ctx, query, arg).Scan(&k.Stream, &k.Hash, &k.Sealed, &k.Private)
	return k, mapped(err)
}

// PrivateStreams implements auth.Keys.
func (s *Store) PrivateStreams(ctx context.Context) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT stream FROM keys WHERE private ORDER BY stream")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, rows.Err()
}

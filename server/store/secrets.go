package store

import "context"

// Secret implements auth.Secrets.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	var v []byte
	err := s.db.QueryRowContext(ctx, "SELECT value FROM secrets WHERE name = ?", name).Scan(&v)
	return v, mapped(err)
}

// SecretOnce implements auth.Secrets.
func (s *Store) SecretOnce(ctx context.Context, name string, value []byte) ([]byte, error) {
	_, err := s.db.ExecContext(ctx, "INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", name, value)
	if err != nil {
		return nil, err
	}
	return s.Secret(ctx, name)
}

// PutSecret implements auth.Secrets.
func (s *Store) PutSecret(ctx context.Context, name string, value []byte) error {
	if value == nil {
		_, err := s.db.ExecContext(ctx, "DELETE FROM secrets WHERE name = ?", name)
		return err
	}
	_, err := s.db.ExecContext(ctx, "INSERT OR REPLACE INTO secrets (name, value) VALUES (?, ?)", name, value)
	return err
}

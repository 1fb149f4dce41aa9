package store

import (
	"context"
	"database/sql"

	"github.com/heliograph/heliograph/server/auth"
)

// User implements auth.Users.
func (s *Store) User(ctx context.Context, name string) (auth.User, error) {
	row := s.db.QueryRowContext(ctx, "SELECT name, hash, role, enabled FROM users WHERE name = ?", name)
	u, err := scanUser(row)
	return u, mapped(err)
}

// isAdmin is what HasAdmin and AddFirstAdmin look for.
const isAdmin = "SELECT 1 FROM users WHERE role = 'admin' AND enabled"

// HasAdmin implements auth.Users.
func (s *Store) HasAdmin(ctx context.Context) (bool, error) {
	var has bool
	err := s.db.QueryRowContext(ctx, "SELECT EXISTS ("+isAdmin+")").Scan(&has)
	return has, err
}

// Users implements auth.Users.
func (s *Store) Users(ctx context.Context) ([]auth.User, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT name, hash, role, enabled FROM users ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var us []auth.User
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, err
		}
		us = append(us, u)
	}
	return us, rows.Err()
}

// scanUser reads one row, from Row or Rows.
func scanUser(row interface{ Scan(dest ...any) error }) (auth.User, error) {
	var u auth.User
	err := row.Scan(&u.Name, &u.Hash, &u.Role, &u.Enabled)
	return u, err
}

// AddUser implements auth.UserChanges.
func (s *Store) AddUser(ctx context.Context, u auth.User) error {
	_, err := s.db.ExecContext(ctx,
		"INSERT INTO users (name, hash, role, enabled) VALUES (?, ?, ?, ?)", u.Name, u.Hash, u.Role, u.Enabled)
	return mapped(err)
}

// AddFirstAdmin implements auth.UserChanges.
func (s *Store) AddFirstAdmin(ctx context.Context, u auth.User) error {
	r, err := s.db.ExecContext(ctx,
		"INSERT INTO users (name, hash, role, enabled) SELECT ?, ?, ?, ? WHERE NOT EXISTS ("+isAdmin+")",
		u.Name, u.Hash, u.Role, u.Enabled)
	return affected(r, err, auth.ErrExists)
}

// PutUsers implements auth.UserChanges.
func (s *Store) PutUsers(ctx context.Context, us []auth.User) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		for _, u := range us {
			if _, err := tx.ExecContext(ctx, "DELETE FROM users WHERE name = ?", u.Name); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx,
				"INSERT INTO users (name, hash, role, enabled) VALUES (?, ?, ?, ?)", u.Name, u.Hash, u.Role, u.Enabled)
			if err != nil {
				return mapped(err)
			}
		}
		return nil
	})
}

// RemoveUser implements auth.UserChanges.
func (s *Store) RemoveUser(ctx context.Context, name string) error {
	r, err := s.db.ExecContext(ctx, "DELETE FROM users WHERE name = ?", name)
	return affected(r, err, auth.ErrNotFound)
}

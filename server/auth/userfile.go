package auth

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds on a user file.
const (
	maxUserFileUsers = 10_000
	maxUserFileLine  = 4 << 10 // bytes
)

// FileUser is one line of a user file, its password still in the clear.
type FileUser struct {
	Name     string
	Password string
	Role     Role
	Enabled  bool
}

// Weak tells whether the password is shorter than AddUser would take.
func (u FileUser) Weak() bool { return len(u.Password) < minPassword }

// ErrUserFile is returned for a file that ParseUsers cannot read.
var ErrUserFile = errors.New("the user file is not readable")

// ParseUsers reads lines of the form
//
//	name=password,ROLE[,ROLE][,enabled|disabled]
//
// The highest role counts. Empty lines and those that begin with # are skipped.
// The error names the line, never its password.
func ParseUsers(r io.Reader) ([]FileUser, error) {
	var users []FileUser
	seen := make(map[string]int)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1024), maxUserFileLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" || line[0] == '#' {
			continue
		}
		u, err := parseUser(line)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrUserFile, n, err)
		}
		if first, ok := seen[foldName(u.Name)]; ok {
			return nil, fmt.Errorf("%w: line %d: %q is on line %d already", ErrUserFile, n, u.Name, first)
		}
		if len(users) == maxUserFileUsers {
			return nil, fmt.Errorf("%w: more than %d users", ErrUserFile, maxUserFileUsers)
		}
		seen[foldName(u.Name)] = n
		users = append(users, u)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: line %d: %w", ErrUserFile, n+1, err)
	}
	return users, nil
}

func parseUser(line string) (FileUser, error) {
	name, rest, ok := strings.Cut(line, "=")
	if !ok {
		return FileUser{}, errors.New("a line is name=password,ROLE")
	}
	u := FileUser{Name: strings.TrimSpace(name), Enabled: true}
	if !userName.MatchString(u.Name) {
		return FileUser{}, ErrUserName
	}
	password, words, _ := strings.Cut(rest, ",")
	if password == "" || len(password) > maxPassword {
		return FileUser{}, fmt.Errorf("the password has 1 to %d characters and no comma", maxPassword)
	}
	u.Password = password
	for word := range strings.SplitSeq(words, ",") {
		if err := u.setWord(strings.TrimSpace(word)); err != nil {
			return FileUser{}, err
		}
	}
	if u.Role == "" {
		return FileUser{}, errRoleOrState
	}
	return u, nil
}

// setWord takes a role, or whether the user is enabled.
func (u *FileUser) setWord(word string) error {
	switch strings.ToLower(word) {
	case "enabled":
		u.Enabled = true
		return nil
	case "disabled":
		u.Enabled = false
		return nil
	}
	r, err := ParseRole(word)
	if err != nil {
		return errRoleOrState
	}
	if r.rank() > u.Role.rank() {
		u.Role = r
	}
	return nil
}

// errRoleOrState does not quote the word: after a comma too many it is part of a password.
var errRoleOrState = errors.New("after the password come roles (viewer, publisher, moderator, admin), then enabled or disabled")

// ImportUsers adds the users of a file, or changes those that exist, all or
// none. It takes shorter passwords than AddUser: they were chosen elsewhere.
func (s *Service) ImportUsers(ctx context.Context, users []FileUser) error {
	rows := make([]User, 0, len(users))
	for _, u := range users {
		if u.Role.rank() == 0 {
			return fmt.Errorf("user %q: %w", u.Name, ErrRole)
		}
		hash, err := s.hasher.hash(ctx, u.Password)
		if err != nil {
			return err
		}
		rows = append(rows, User{Name: u.Name, Hash: hash, Role: u.Role, Enabled: u.Enabled})
	}
	return s.storage.PutUsers(ctx, rows)
}

// foldName is how names are compared.
func foldName(name string) string { return strings.ToLower(name) }

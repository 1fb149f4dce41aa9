package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Bounds on documents: they are settings that people make, not data.
const (
	maxDocument  = 64 << 10 // bytes of one
	maxDocuments = 1000     // of one kind
	maxDocName   = 128      // bytes of a kind or an id
)

// What is wrong with a document that is not stored.
var (
	ErrDocument = fmt.Errorf("a document has at most %d bytes, and a name of 1 to %d", maxDocument, maxDocName)
	ErrFull     = fmt.Errorf("there are %d of these already; remove one first", maxDocuments)
)

// PutDocument adds or replaces the document id of a kind. It returns
// ErrDocument, or ErrFull when the kind has too many.
func (s *Store) PutDocument(ctx context.Context, kind, id string, body []byte) error {
	if !documentName(kind) || !documentName(id) || len(body) > maxDocument {
		return ErrDocument
	}
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	return s.within(ctx, func(tx *sql.Tx) error {
		var others int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM documents WHERE kind = ? AND id <> ?", kind, id).Scan(&others)
		if err != nil {
			return err
		}
		if others >= maxDocuments {
			return ErrFull
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO documents (kind, id, body) VALUES (?, ?, ?)", kind, id, body)
		return err
	})
}

func documentName(name string) bool { return name != "" && len(name) <= maxDocName }

// Documents returns all documents of a kind by their ids.
func (s *Store) Documents(ctx context.Context, kind string) (all map[string][]byte, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, body FROM documents WHERE kind = ?", kind)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all = make(map[string][]byte)
	for rows.Next() {
		var id string
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			return nil, err
		}
		all[id] = body
	}
	return all, rows.Err()
}

// DeleteDocument removes a document; it succeeds too when there is none.
func (s *Store) DeleteDocument(ctx context.Context, kind, id string) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM documents WHERE kind = ? AND id = ?", kind, id)
	return err
}

// Kind is the documents of one kind, for a part that needs no others.
type Kind struct {
	// set at construction
	store *Store
	name  string
}

// Kind returns the documents of one kind.
func (s *Store) Kind(name string) Kind { return Kind{store: s, name: name} }

// Put is PutDocument.
func (k Kind) Put(ctx context.Context, id string, body []byte) error {
	return k.store.PutDocument(ctx, k.name, id, body)
}

// All is Documents.
func (k Kind) All(ctx context.Context) (map[string][]byte, error) {
	return k.store.Documents(ctx, k.name)
}

// Delete is DeleteDocument.
func (k Kind) Delete(ctx context.Context, id string) error {
	return k.store.DeleteDocument(ctx, k.name, id)
}

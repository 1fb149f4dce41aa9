package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/heliograph/heliograph/"
	root   = "../.."
)

// source is one Go file of ours.
type source struct {
	path   string // from the root of the repository, with slashes
	syntax *ast.File
	tokens *token.FileSet
}

func (s source) dir() string          { return path.Dir(s.path) }
func (s source) isTest() bool         { return strings.HasSuffix(s.path, "_test.go") }
func (s source) line(p token.Pos) int { return s.tokens.Position(p).Line }

// inCommand says whether the file belongs to a program's main package.
func (s source) inCommand() bool { return s.syntax.Name.Name == "main" }

// imports returns the paths that the file imports.
func (s source) imports() []string {
	var all []string
	for _, spec := range s.syntax.Imports {
		all = append(all, strings.Trim(spec.Path.Value, `"`))
	}
	return all
}

var parseOnce = sync.OnceValues(parseTree)

// tree parses every Go file of ours, once for all tests.
func tree(t *testing.T) []source {
	t.Helper()
	files, err := parseOnce()
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func parseTree() ([]source, error) {
	tokens := token.NewFileSet()
	var files []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if skipped(name, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(tokens, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		files = append(files, source{path: filepath.ToSlash(rel), syntax: syntax, tokens: tokens})
		return err
	})
	return files, err
}

// skipped names the folders that hold no code of ours.
func skipped(name, base string) bool {
	return name != root && strings.HasPrefix(base, ".") || slices.Contains([]string{"node_modules", "testdata", "dist", "bin"}, base)
}

// report fails the test with all findings at once, so that one run shows all.
func report(t *testing.T, findings []string) {
	t.Helper()
	slices.Sort(findings)
	for _, f := range findings {
		t.Error(f)
	}
}

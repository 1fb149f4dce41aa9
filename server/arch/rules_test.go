package arch_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// leastDoc is how much a package comment says at least, in bytes.
const leastDoc = 60

func TestEveryPackageSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	docs := map[string]string{}
	names := map[string]string{}
	for _, file := range tree(t) {
		if file.isTest() {
			continue
		}
		docs[file.dir()] += file.syntax.Doc.Text()
		names[file.dir()] = file.syntax.Name.Name
	}
	var findings []string
	for dir, name := range names {
		begin := "Package " + name + " "
		if name == "main" {
			begin = "Command "
		}
		if doc := docs[dir]; !strings.HasPrefix(doc, begin) || len(doc) < leastDoc {
			findings = append(findings, fmt.Sprintf("%s needs one package comment that begins with %q and says what the package does and does not know", dir, begin))
		}
	}
	report(t, findings)
}

// Effects at import time cannot be tested, ordered or undone.
func TestNoInit(t *testing.T) {
	t.Parallel()
	var findings []string
	for _, file := range tree(t) {
		for _, decl := range file.syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				findings = append(findings, fmt.Sprintf("%s:%d: no init functions", file.path, file.line(f.Pos())))
			}
		}
	}
	report(t, findings)
}

// harmless matches the initial values of package variables that are no state:
// sentinel errors, compiled expressions and pools.
var harmless = regexp.MustCompile(`^(errors\.New|fmt\.Errorf|regexp\.MustCompile|strings\.NewReplacer|sync\.Pool)$`)

// tables names the package variables that are constants in all but Go's eyes:
// filled where they stand and never written.
var tables = map[string]string{
	"server/rtc/egress/offer.go: staticPayloads": "payload types of RFC 3551",
}

// Package variables are state that two servers in one process would share.
func TestNoPackageVariables(t *testing.T) {
	t.Parallel()
	var findings []string
	for _, file := range tree(t) {
		if file.isTest() {
			continue
		}
		for _, decl := range file.syntax.Decls {
			vars, ok := decl.(*ast.GenDecl)
			if !ok || vars.Tok != token.VAR || strings.Contains(comment(vars), "//go:embed") {
				continue
			}
			for _, spec := range vars.Specs {
				v := spec.(*ast.ValueSpec)
				if _, table := tables[file.path+": "+v.Names[0].Name]; !table && !harmlessVar(v) {
					findings = append(findings, fmt.Sprintf("%s:%d: package variable %s", file.path, file.line(v.Pos()), v.Names[0].Name))
				}
			}
		}
	}
	report(t, findings)
}

func harmlessVar(v *ast.ValueSpec) bool {
	if v.Names[0].Name == "_" { // var _ Interface = (*type)(nil)
		return true
	}
	return len(v.Values) > 0 && !slices.ContainsFunc(v.Values, func(value ast.Expr) bool {
		switch e := value.(type) {
		case *ast.CallExpr:
			return !harmless.MatchString(dotted(e.Fun))
		case *ast.CompositeLit:
			return !harmless.MatchString(dotted(e.Type))
		}
		return true
	})
}

// comment returns a declaration's comment with its directives, which Text of
// the syntax tree leaves out.
func comment(decl *ast.GenDecl) string {
	var all strings.Builder
	if decl.Doc != nil {
		for _, line := range decl.Doc.List {
			all.WriteString(line.Text)
		}
	}
	return all.String()
}

// dotted returns "pkg.Name" or "Name" of an expression, "" for any other.
func dotted(e ast.Expr) string {
	switch n := e.(type) {
	case *ast.Ident:
		return n.Name
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok {
			return x.Name + "." + n.Sel.Name
		}
	}
	return ""
}

// exits matches the calls that end the process, or the goroutine's sanity.
var exits = regexp.MustCompile(`^(panic|os\.Exit|log\.Fatal\w*|log\.Panic\w*)$`)

func TestOnlyCommandsEndTheProcess(t *testing.T) {
	t.Parallel()
	report(t, calls(t, exits, func(file source) bool { return file.inCommand() || file.isTest() },
		"only a main package may end the process; return an error"))
}

// systemGrant is the grant that asks nobody: only what the operator configured
// may have it.
var systemGrant = regexp.MustCompile(`^auth\.System$`)

func TestOnlyAppGrantsToTheSystem(t *testing.T) {
	t.Parallel()
	report(t, calls(t, systemGrant, func(file source) bool { return file.dir() == "server/app" || file.isTest() },
		"only server/app and tests may let the system in; check a request instead"))
}

// calls finds the calls of matching functions in all files but the allowed.
func calls(t *testing.T, match *regexp.Regexp, allowed func(source) bool, why string) []string {
	t.Helper()
	var findings []string
	for _, file := range tree(t) {
		if allowed(file) {
			continue
		}
		ast.Inspect(file.syntax, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok && match.MatchString(dotted(call.Fun)) {
				findings = append(findings, fmt.Sprintf("%s:%d: %s: %s", file.path, file.line(call.Pos()), dotted(call.Fun), why))
			}
			return true
		})
	}
	return findings
}

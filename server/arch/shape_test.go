package arch_test

import (
	"fmt"
	"go/ast"
	"testing"
)

// Where a thing is bigger than this it does two jobs and is split.
const (
	maxFile       = 500 // lines
	maxTestFile   = 1000
	maxFunction   = 80 // lines, tests excepted: their tables are data
	maxPackage    = 3000
	maxFields     = 20
	maxMethods    = 5
	maxParameters = 6
)

// bigger names what may be bigger than the limits, and why. A name is
// "path: thing".
var bigger = map[string]string{}

func TestSizes(t *testing.T) {
	t.Parallel()
	var findings []string
	seen := map[string]bool{}
	packages := map[string]int{}
	for _, file := range tree(t) {
		lines := file.line(file.syntax.FileEnd)
		limit := maxFile
		if file.isTest() {
			limit = maxTestFile
		} else {
			packages[file.dir()] += lines
		}
		found := over(file, "file", lines, limit)
		if !file.isTest() {
			found = append(found, shapes(file)...)
		}
		for _, f := range found {
			if _, allowed := bigger[f.name]; allowed {
				seen[f.name] = true
				continue
			}
			findings = append(findings, f.name+f.text)
		}
	}
	for dir, lines := range packages {
		if lines > maxPackage {
			findings = append(findings, fmt.Sprintf("%s: package has %d lines, more than %d", dir, lines, maxPackage))
		}
	}
	for name := range bigger {
		if !seen[name] {
			findings = append(findings, name+" is within the limits: take it out of the exceptions")
		}
	}
	report(t, findings)
}

// finding is one thing that is too big: its name in the exceptions, and text.
type finding struct{ name, text string }

func over(file source, thing string, n, limit int) []finding {
	if n <= limit {
		return nil
	}
	return []finding{{name: file.path + ": " + thing, text: fmt.Sprintf(" has %d, more than %d", n, limit)}}
}

// shapes measures the functions, structs and interfaces of a file.
func shapes(file source) []finding {
	var found []finding
	ast.Inspect(file.syntax, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncDecl:
			name := n.Name.Name
			found = append(found, over(file, name+" lines", file.line(n.End())-file.line(n.Pos())+1, maxFunction)...)
			found = append(found, over(file, name+" parameters", n.Type.Params.NumFields(), maxParameters)...)
		case *ast.TypeSpec:
			switch kind := n.Type.(type) {
			case *ast.StructType:
				found = append(found, over(file, n.Name.Name+" fields", kind.Fields.NumFields(), maxFields)...)
			case *ast.InterfaceType:
				found = append(found, over(file, n.Name.Name+" methods", kind.Methods.NumFields(), maxMethods)...)
			}
		}
		return true
	})
	return found
}

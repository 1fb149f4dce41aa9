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
// "path: thing", where the path of a package is its folder.
var bigger = map[string]string{}

func TestSizes(t *testing.T) {
	t.Parallel()
	var found []finding
	packages := map[string]int{}
	for _, file := range tree(t) {
		lines := file.line(file.syntax.FileEnd)
		if file.isTest() {
			found = append(found, over(file.path, "file", lines, maxTestFile)...)
			continue
		}
		packages[file.dir()] += lines
		found = append(found, over(file.path, "file", lines, maxFile)...)
		found = append(found, shapes(file)...)
	}
	for dir, lines := range packages {
		found = append(found, over(dir, "package", lines, maxPackage)...)
	}
	report(t, except(found))
}

// except takes out what is allowed by name, and adds the exceptions that
// nothing needs any more.
func except(found []finding) []string {
	var findings []string
	needed := map[string]bool{}
	for _, f := range found {
		needed[f.name] = true
		if _, allowed := bigger[f.name]; !allowed {
			findings = append(findings, f.name+f.text)
		}
	}
	for name := range bigger {
		if !needed[name] {
			findings = append(findings, name+" is within the limits: take it out of the exceptions")
		}
	}
	return findings
}

// finding is one thing that is too big: its name in the exceptions, and text.
type finding struct{ name, text string }

func over(path, thing string, n, limit int) []finding {
	if n <= limit {
		return nil
	}
	return []finding{{name: path + ": " + thing, text: fmt.Sprintf(" has %d, more than %d", n, limit)}}
}

// shapes measures the functions, structs and interfaces of a file.
func shapes(file source) []finding {
	var found []finding
	ast.Inspect(file.syntax, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncDecl:
			name := n.Name.Name
			found = append(found, over(file.path, name+" lines", file.line(n.End())-file.line(n.Pos())+1, maxFunction)...)
			found = append(found, over(file.path, name+" parameters", n.Type.Params.NumFields(), maxParameters)...)
		case *ast.TypeSpec:
			switch kind := n.Type.(type) {
			case *ast.StructType:
				found = append(found, over(file.path, n.Name.Name+" fields", kind.Fields.NumFields(), maxFields)...)
			case *ast.InterfaceType:
				found = append(found, over(file.path, n.Name.Name+" methods", kind.Methods.NumFields(), maxMethods)...)
			}
		}
		return true
	})
	return found
}

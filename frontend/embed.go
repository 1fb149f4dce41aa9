// Package frontend holds the built web app, so that the server is one file.
// It knows nothing of HTTP: who serves the files decides about headers and caching.
package frontend

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the built web app, index.html at its root. When the app was not built
// the tree holds nothing but an empty file, and opening index.html fails with fs.ErrNotExist.
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist // not reached: "dist" is a valid path
	}
	return sub
}

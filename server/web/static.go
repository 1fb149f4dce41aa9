package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

const (
	indexPath = "/index.html"
	minGzip   = 1024 // bytes below which compressing gains nothing
)

// Caching: names under /assets/ hold a hash of their content, others may
// change with the next version of the server.
const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheAsk     = "no-cache"
)

const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Heliograph</title>
<h1>The web app is not built</h1>
<p>The server runs, but this binary was made without its pages.
Run <code>npm run build</code> in the project's folder and start the server again.</p></html>
`

// files is the web app in memory, by the path of its URL.
type files struct {
	// set at construction
	byPath map[string]*file
	index  *file // nil when the app was not built
}

type file struct {
	// set at construction
	data    []byte
	kind    string // content type
	tag     string // ETag, without quotes
	cache   string
	zipped  func() []byte // the gzip form, made when first asked for; nil if it is not smaller
	textual bool
}

// readFiles takes the app into memory; names that begin with a dot stay out.
func readFiles(app fs.FS) (*files, error) {
	f := &files{byPath: make(map[string]*file)}
	err := fs.WalkDir(app, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		b, err := fs.ReadFile(app, name)
		if err != nil {
			return err
		}
		f.byPath["/"+name] = newFile("/"+name, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the web app: %w", err)
	}
	f.index = f.byPath[indexPath]
	delete(f.byPath, indexPath) // its addresses are those of the pages
	return f, nil
}

func newFile(urlPath string, b []byte) *file {
	sum := sha256.Sum256(b)
	f := &file{data: b, tag: base64.RawURLEncoding.EncodeToString(sum[:12]), cache: cacheAsk}
	f.kind, f.textual = contentType(path.Ext(urlPath))
	if strings.HasPrefix(urlPath, "/assets/") {
		f.cache = cacheForever
	}
	f.zipped = sync.OnceValue(func() []byte { return zip(f) })
	return f
}

// contentType is a table of our own: what the machine knows differs by machine.
func contentType(ext string) (kind string, textual bool) {
	switch ext {
	case ".html":
		return "text/html; charset=utf-8", true
	case ".js":
		return "text/javascript; charset=utf-8", true
	case ".css":
		return "text/css; charset=utf-8", true
	case ".svg":
		return "image/svg+xml", true
	case ".json", ".map":
		return "application/json", true
	case ".webmanifest":
		return "application/manifest+json", true
	case ".txt":
		return "text/plain; charset=utf-8", true
	case ".woff2":
		return "font/woff2", false
	case ".png":
		return "image/png", false
	case ".ico":
		return "image/x-icon", false
	}
	return "application/octet-stream", false
}

func zip(f *file) []byte {
	if !f.textual || len(f.data) < minGzip {
		return nil
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err = z.Write(f.data); err != nil || z.Close() != nil || b.Len() >= len(f.data) {
		return nil
	}
	return b.Bytes()
}

// file serves one file of the app.
func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	s.files.byPath[r.URL.Path].serve(w, r)
}

// page serves the app itself; it looks at the address and shows the page.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	if s.files.index == nil {
		s.servePage(w, r, http.StatusServiceUnavailable)
		return
	}
	s.files.index.serve(w, r)
}

// servePage serves the app with a status that is not 200.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, status int) {
	body := []byte(notBuilt)
	if s.files.index != nil {
		body = s.files.index.data
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that left needs no answer
	}
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", f.cache)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	data, tag := f.data, f.tag
	if f.textual {
		h.Set("Vary", "Accept-Encoding")
	}
	if z := f.zipped(); z != nil && acceptsGzip(r) {
		data, tag = z, tag+"-gz"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3) as far as needed:
// gzip is named, and not with a weight of zero.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if strings.EqualFold(name, "gzip") {
			return strings.Trim(weight, "qQ=0.") != "" || weight == ""
		}
	}
	return false
}

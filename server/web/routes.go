package web

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/heliograph/heliograph/server/auth"
)

// routes builds the table of everything that this server answers.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.recovered, s.validHost, headers, s.secured, middleware.GetHead)
	r.NotFound(s.notFound)
	r.MethodNotAllowed(methodNotAllowed)

	r.Get("/healthz", healthy)
	r.Get("/readyz", s.ready)
	r.Get("/metrics", s.metrics())
	r.Get("/certificate", s.certificate)
	for _, path := range pages() {
		r.Get(path, s.page)
		if path != "/" {
			r.Get(path+"/", withoutSlash)
		}
	}
	r.Get("/watch/{stream}", s.streamPage)
	r.Get("/watch/{stream}/", withoutSlash)
	r.Method(http.MethodGet, "/favicon.ico", http.RedirectHandler(icon, http.StatusPermanentRedirect))
	for path := range s.files.byPath {
		r.Get(path, s.file)
	}
	r.Route("/api/v1", s.rest)
	r.With(limit(joins, joinsWindow)).Get("/ws", s.websocket)
	s.mount(r, "/whip", s.cfg.Media.WHIP)
	s.mount(r, "/whep", s.cfg.Media.WHEP)
	if s.cfg.Media.Reach != nil { // does its own CORS and has its own limits
		r.Method(http.MethodPost, "/reach", s.cfg.Media.Reach)
		r.Method(http.MethodOptions, "/reach", s.cfg.Media.Reach)
	}
	return r
}

// pages are the addresses of the web app, beside that of a stream: those that
// its router knows.
func pages() []string {
	return []string{"/", "/studio", "/sources", "/signin", "/setup", "/check"}
}

// icon is the web app's. Programs that do not read the page ask for another.
const icon = "/favicon.svg"

// withoutSlash leads from the address of a page with a slash at its end, as some
// people type it and some programs make it, to the page.
func withoutSlash(w http.ResponseWriter, r *http.Request) {
	to := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	http.Redirect(w, r, to, http.StatusPermanentRedirect)
}

// rest are the routes under /api/v1.
func (s *Server) rest(r chi.Router) {
	r.Use(limit(calls, callsWindow), sameOrigin)
	r.Get("/session", s.getSession)
	r.Post("/session", s.signIn)
	r.Delete("/session", s.signOut)
	r.Post("/setup", s.setUp)
	r.Get("/streams", s.listStreams)
	r.Get("/streams/{stream}", s.getStream)
	r.Get("/streams/{stream}/poster.jpg", s.poster)
	r.Get("/streams/{stream}/key", s.atLeast(auth.Publisher, s.getKey))
	r.Post("/streams/{stream}/key", s.atLeast(auth.Publisher, s.newKey))
	r.Get("/encoders", s.getEncoders)
	r.Group(s.restOfSources)
	r.Group(s.restOfPushes)
	r.Group(s.restOfCameras)
}

// restOfSources are the routes under /api/v1/sources.
func (s *Server) restOfSources(r chi.Router) {
	r.Use(offered(s.cfg.Remote.Sources != nil))
	r.Get("/sources", s.atLeast(auth.Publisher, s.listSources))
	r.Put("/sources/{stream}", s.atLeast(auth.Publisher, s.putSource))
	r.Delete("/sources/{stream}", s.atLeast(auth.Publisher, s.removeSource))
	r.Post("/sources/test", s.atLeast(auth.Publisher, s.testSource))
}

// restOfPushes are the routes under /api/v1/pushes.
func (s *Server) restOfPushes(r chi.Router) {
	r.Use(offered(s.cfg.Remote.Pushes != nil))
	r.Get("/pushes", s.atLeast(auth.Publisher, s.listPushes))
	r.Post("/pushes", s.atLeast(auth.Publisher, s.addPush))
	r.Patch("/pushes/{id}", s.atLeast(auth.Publisher, s.enablePush))
	r.Delete("/pushes/{id}", s.atLeast(auth.Publisher, s.removePush))
}

// restOfCameras are the routes under /api/v1/cameras. Looking around in the
// local network is for admins.
func (s *Server) restOfCameras(r chi.Router) {
	r.Use(offered(s.cfg.Remote.Cameras != nil))
	r.Post("/cameras/discover", s.atLeast(auth.Admin, s.discoverCameras))
	r.Post("/cameras/streams", s.atLeast(auth.Admin, s.cameraStreams))
}

// mount hands a signalling handler its resources. It does its own CORS: WHIP
// and WHEP are made to be used from other origins, with a bearer token.
func (s *Server) mount(r chi.Router, prefix string, h http.Handler) {
	if h == nil {
		return
	}
	posts := limit(joins, joinsWindow)(h)
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
	for _, m := range methods() {
		r.Method(m, prefix+"/{stream}", limited)
		r.Method(m, prefix+"/{stream}/{session}", limited)
	}
}

// methods are those that mean anything here.
func methods() []string {
	return []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
}

// notFound shows a person the app's own page for it, and tells a program.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && wantsPage(r) {
		s.servePage(w, r, http.StatusNotFound)
		return
	}
	Problem(w, http.StatusNotFound, codeNotFound, "There is nothing at this address. Check it for a typing mistake.")
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	routes := chi.RouteContext(r.Context()).Routes
	var allowed []string
	for _, m := range methods() {
		asked := m
		if m == http.MethodHead {
			asked = http.MethodGet // every GET answers HEAD
		}
		if routes.Match(chi.NewRouteContext(), asked, r.URL.Path) {
			allowed = append(allowed, m)
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	Problem(w, http.StatusMethodNotAllowed, codeMethod, "This address takes "+strings.Join(allowed, ", ")+", not "+r.Method+".")
}

// streamPage is the page of one stream; a name that cannot be one is a wrong address.
func (s *Server) streamPage(w http.ResponseWriter, r *http.Request) {
	if auth.ValidName(chi.URLParam(r, "stream")) {
		s.page(w, r)
		return
	}
	if wantsPage(r) {
		s.servePage(w, r, http.StatusBadRequest)
		return
	}
	s.fail(w, r, auth.ErrName)
}

// wantsPage tells a browser that goes to an address from a program that asks for it.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// routeOf names a request's route for the log: never the address itself, which
// may hold the secret of a session.
func routeOf(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil {
		return c.RoutePattern()
	}
	return ""
}

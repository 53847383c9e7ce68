package functions

import (
	"embed"
	"net/http"
	"path"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

//go:embed console
var consoleFiles embed.FS

// consolePolicy lets the page load nothing and talk to nobody but this server, and
// nobody frame it. What comes from outside is shown as text; were some of it taken
// for markup all the same, it could run nothing.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

var consoleTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// console serves the operators' page. Its files hold no data: what the page shows
// it asks for as whoever looks at it. In the cloud it is served only where somebody
// is asked who they are.
func (b *builder) console() {
	serve := func(w http.ResponseWriter, r *http.Request) error {
		if b.app.Config().Auth == nil && b.app.InCloud() {
			return fault.New(fault.Forbidden, `the console is served where "auth" is configured`)
		}
		name := r.PathValue("file")
		if name == "" {
			name = "index.html"
		}
		body, err := consoleFiles.ReadFile("console/" + name)
		kind, known := consoleTypes[path.Ext(name)]
		if err != nil || !known {
			return fault.New(fault.NotFound, "the console has no such file")
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Security-Policy", consolePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		_, err = w.Write(body)
		return err
	}
	b.handle("/console/{$}", web.Methods(func(w http.ResponseWriter, _ *http.Request) error { // where its links would lead elsewhere
		w.Header().Set("Location", "../console") // whatever a proxy put before it
		w.WriteHeader(http.StatusPermanentRedirect)
		return nil
	}, http.MethodGet))
	b.handle("/console", web.Methods(serve, http.MethodGet))
	b.handle("/console/{file}", web.Methods(serve, http.MethodGet))
}

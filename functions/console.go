package functions

import (
	"bytes"
	"embed"
	"html"
	"net/http"
	"path"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

//go:embed console
var consoleFiles embed.FS

// consolePolicy lets the page load from and talk to this server only, and lets no page
// frame it. The page shows values from outside as text. If one were taken for markup all
// the same, it could run nothing.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// inPage returns the page with what its commands must reach: the host:port of the emulators of
// Pub/Sub and Firestore, or "cloud" for Firestore itself.
func inPage(page []byte, place doctor.Place) []byte {
	firestore := strings.TrimPrefix(place.FirestoreEmulator, "http://")
	if place.Firestore && firestore == "" {
		firestore = "cloud"
	}
	for _, meta := range []struct{ name, content string }{{"pubsub-emulator", strings.TrimPrefix(place.PubSubEmulator, "http://")}, {"firestore", firestore}} {
		begin := `<meta name="` + meta.name + `" content=`
		page = bytes.Replace(page, []byte(begin+`""`), []byte(begin+`"`+html.EscapeString(meta.content)+`"`), 1)
	}
	return page
}

var consoleTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// serveConsole serves the operators' page and its files. The files hold no data: the page
// asks the API for what it shows, with the credentials of the person in front of it. In
// the cloud it is served only where "auth" asks callers for credentials.
func serveConsole(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !consoleIsOpen(a) {
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
		if name == "index.html" {
			body = inPage(body, a.Place())
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Security-Policy", consolePolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		_, err = w.Write(body)
		return err
	}
}

// consoleIsOpen reports whether the console is served: in the cloud only where callers are
// asked for credentials, because there everybody reaches it.
func consoleIsOpen(a *app.App) bool { return a.Config().Auth != nil || !a.Platform().Proxied() }

// consoleSlash redirects /console/ to /console, where the page's relative links work.
// The Location is relative because a proxy may have put a prefix before the path.
func consoleSlash(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Location", "../console")
	w.WriteHeader(http.StatusPermanentRedirect)
	return nil
}

package live

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/origin"
)

// SecretHeader is the header that carries a client's secret, unless [Options.Access]
// says otherwise.
const SecretHeader = "X-Client-Secret"

// Access says what a client may subscribe to, and for how long.
type Access struct {
	// Secret is the client's secret until it sends another one.
	Secret string
	// Allowed reports whether the client may subscribe to a key, which may be one with
	// the id [Any]. nil allows everything.
	Allowed func(Key) bool
	// Until ends the access, and the connection with it. Zero means never.
	Until time.Time
}

// A RefusedError says why a client was refused before it connected.
type RefusedError struct {
	Status     int           // HTTP status
	Reason     string        // for the client
	RetryAfter time.Duration // 0 if the client has to decide, or a retry is useless
}

// Error returns the reason.
func (e *RefusedError) Error() string { return e.Reason }

func refuse(status int, reason string, retryAfter time.Duration) error {
	return &RefusedError{status, reason, retryAfter}
}

// Register serves WebSockets at [Options.Path] and event streams at
// [Options.StreamPath] of mux.
func (h *Hub) Register(mux *http.ServeMux) {
	mux.Handle("GET "+h.o.Path, h.WebSocket())
	mux.Handle("GET "+h.o.StreamPath, h.EventStream())
}

// WebSocket returns the handler to which clients connect with a WebSocket. They ask for
// the protocol [Versioned] with ?protocol=2 or the subprotocol [Subprotocol].
func (h *Hub) WebSocket() http.Handler { return h.handler(h.ServeWebSocket) }

// EventStream returns the handler that serves server-sent events. The query names the
// entities, ?entity=items&id=100&entity=…&id=…, at most fifty of them. A client that
// comes back with the header Last-Event-ID, as an EventSource does, misses no change of
// them.
func (h *Hub) EventStream() http.Handler { return h.handler(h.ServeEventStream) }

// handler checks the origin and the access before it serves.
func (h *Hub) handler(serve func(http.ResponseWriter, *http.Request, Access) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h.checkOrigin(w, r)
		var access Access
		if err == nil {
			access, err = h.o.Access(r)
		}
		if err == nil {
			err = serve(w, r, access)
		}
		if err == nil {
			return
		}
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok {
			refused = &RefusedError{Status: http.StatusForbidden, Reason: "not allowed"}
		}
		if refused.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((refused.RetryAfter+time.Second-1)/time.Second)))
		}
		http.Error(w, refused.Reason, refused.Status)
	})
}

// checkOrigin refuses web pages of origins that are not listed. A browser lets any page
// open a WebSocket to any host, with the user's cookies. It lets a page read an event
// stream of another origin only if the answer says so.
func (h *Hub) checkOrigin(w http.ResponseWriter, r *http.Request) error {
	from := r.Header.Get("Origin")
	if from == "" {
		return nil // no web page
	}
	u, err := url.Parse(from)
	switch {
	case err != nil || u.Host == "":
	case origin.Host(u.Scheme, u.Host) == origin.Host(u.Scheme, r.Host):
		return nil
	case h.listed(u.Scheme, origin.Host(u.Scheme, u.Host)):
		w.Header().Set("Access-Control-Allow-Origin", from)
		w.Header().Add("Vary", "Origin")
		return nil
	}
	return refuse(http.StatusForbidden, "pages of this origin may not connect", 0)
}

// listed reports whether Options.Origins has the origin.
func (h *Hub) listed(scheme, host string) bool {
	for _, pattern := range h.o.Origins {
		if pattern == "*" {
			return true
		}
		wanted, name, ok := strings.Cut(pattern, "://")
		if !ok {
			wanted, name = scheme, pattern
		}
		if match, err := path.Match(origin.Host(scheme, name), host); err == nil && match && strings.EqualFold(wanted, scheme) {
			return true
		}
	}
	return false
}

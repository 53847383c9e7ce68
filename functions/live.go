package functions

import (
	"cmp"
	_ "embed"
	"errors"
	"net/http"
	"slices"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/live"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/bearer"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// defaultSocketPath is entity-sync's.
const defaultSocketPath = "/ws/entity-sync/"

func socketPath(a *app.App) string {
	return a.Config().LiveSettings().Path
}

// live serves the paths on which clients hear of changes.
func (b *builder) live() {
	socket := "GET " + socketPath(b.app)
	b.access[socket], b.access["GET /live"] = web.Connects, web.Connects
	b.handle(socket, b.connecting(func(w http.ResponseWriter, r *http.Request, who live.Connection) error {
		return b.app.Live().Hub.ServeWebSocket(w, r, who)
	}))
	b.handle("GET /live", b.connecting(func(w http.ResponseWriter, r *http.Request, who live.Connection) error {
		return b.app.Live().Hub.ServeStream(w, r, who)
	}))
	b.handle("GET /live/client.js", liveClient)
}

// connecting finds out who connects. A page's script can set no header on a
// WebSocket, so the token may be in the query. The connection ends when the token
// that allowed it does.
func (b *builder) connecting(serve func(http.ResponseWriter, *http.Request, live.Connection) error) web.Handler {
	l := b.app.Live()
	return func(w http.ResponseWriter, r *http.Request) error {
		who := live.Connection{Secret: r.Header.Get(live.SecretHeader)}
		q := r.URL.Query()
		token := q.Get("access_token")
		if shown, ok := bearer.Token(r.Header); ok {
			token = shown
		}
		if l.Tokens != nil && token != "" {
			grant, err := l.Tokens.Check(r.Context(), token)
			switch {
			case err == nil:
				who.Allowed, who.Until = grant.Allowed, grant.Until
				return serve(w, r, who)
			case !errors.Is(err, live.ErrToken):
				return fault.Wrap(fault.Unavailable, err, "tokens cannot be checked now")
			}
		}
		if b.app.Config().Auth == nil && l.Tokens == nil {
			return serve(w, r, who)
		}
		if token != "" {
			r = r.Clone(r.Context())
			bearer.Set(r.Header, token)
		}
		if b.app.Config().Auth == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			if token != "" {
				return fault.New(fault.Unauthenticated, "the token is not valid: its signature, issuer, audience or expiry is wrong; get a new one")
			}
			return fault.New(fault.Unauthenticated, "a token is needed, as a bearer token or in access_token")
		}
		return b.guard.Require(auth.Read, func(w http.ResponseWriter, r *http.Request) error {
			who.Until = auth.Until(r.Context())
			return serve(w, r, who)
		})(w, r)
	}
}

// liveClients lists who is connected to this instance, who came last first.
func liveClients(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "limit")
		if err != nil {
			return err
		}
		clients := a.Live().Hub.Clients()
		slices.SortFunc(clients, func(x, y live.Info) int { return cmp.Or(y.Since.Compare(x.Since), cmp.Compare(y.ID, x.ID)) })
		count := len(clients)
		if q.Has("limit") {
			limit, err := limitOf(q.Get("limit"), count)
			if err != nil {
				return err
			}
			clients = clients[:min(limit, count)]
		}
		return web.JSON(w, http.StatusOK, struct {
			Count   int         `json:"count"` // listed or not
			Clients []live.Info `json:"clients"`
			Sent    []live.Sent `json:"sent"` // newest first; as far back as is remembered
		}{count, clients, a.Live().Hub.Journal()})
	}
}

//go:embed static/headgate-live.js
var liveClientJS []byte

// liveClient serves the JavaScript client.
func liveClient(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, err := w.Write(liveClientJS)
	return err
}

package functions

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"github.com/headgate/headgate/client/js"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/live/journal"
	"github.com/headgate/headgate/internal/live/token"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/bearer"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/live"
)

// defaultSocketPath is entity-sync's.
const defaultSocketPath = "/ws/entity-sync/"

func socketPath(a *app.App) string {
	return a.Config().LiveSettings().Path
}

// liveSocket serves changes over a WebSocket.
func liveSocket(b *builder, _ string) web.Handler {
	return b.connecting(b.app.Live().Hub.ServeWebSocket)
}

// liveStream serves changes as an event stream.
func liveStream(b *builder, _ string) web.Handler {
	return b.connecting(b.app.Live().Hub.ServeEventStream)
}

// connecting decides what a client may do before serve connects it. A page's script can
// set no header on a WebSocket, so the token may be in the query. The connection ends
// when the token that allowed it does.
func (b *builder) connecting(serve func(http.ResponseWriter, *http.Request, live.Access) error) web.Handler {
	l := b.app.Live()
	connect := func(w http.ResponseWriter, r *http.Request, access live.Access) error {
		return refused(serve(w, r, access))
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		access := live.Access{Secret: r.Header.Get(live.SecretHeader)}
		shown, ok := bearer.Token(r.Header)
		if !ok {
			shown = r.URL.Query().Get("access_token")
		}
		if l.Tokens != nil && shown != "" {
			grant, err := l.Tokens.Verify(r.Context(), shown)
			pattern, is := errors.AsType[*token.PatternError](err)
			switch {
			case is:
				return fault.New(fault.Forbidden, "%s", pattern)
			case err == nil:
				access.Allowed, access.Until = grant.Allowed, grant.Until
				return connect(w, r, access)
			case !errors.Is(err, token.ErrInvalid):
				return fault.Wrap(fault.Unavailable, err, "tokens cannot be checked now")
			}
		}
		if b.app.Config().Auth == nil && l.Tokens == nil {
			return connect(w, r, access)
		}
		if shown != "" {
			r = r.Clone(r.Context())
			bearer.Set(r.Header, shown)
		}
		if b.app.Config().Auth == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			if shown != "" {
				return fault.New(fault.Unauthenticated, "the token is not valid: its signature, issuer, audience or time is wrong")
			}
			return fault.New(fault.Unauthenticated, "a token is needed, as a bearer token or in access_token")
		}
		return b.guard.Require(auth.Read, func(w http.ResponseWriter, r *http.Request) error {
			access.Until = auth.Until(r.Context())
			return connect(w, r, access)
		})(w, r)
	}
}

// refused returns the hub's refusal of a client as an error of ours.
func refused(err error) error {
	refusal, ok := errors.AsType[*live.RefusedError](err)
	if !ok {
		return err
	}
	f := fault.New(fault.Invalid, "%s", refusal.Reason)
	switch refusal.Status {
	case http.StatusForbidden:
		f.Code = fault.Forbidden
	case http.StatusServiceUnavailable:
		f.Code, f.RetryAfter = fault.Unavailable, refusal.RetryAfter
	}
	return f
}

type clientsJSON struct {
	Count   int               `json:"count" description:"How many clients there are, listed or not."`
	Clients []live.ClientInfo `json:"clients"`
	Sent    []journal.Entry   `json:"sent" description:"The states that this instance sent last, newest first."`
}

// liveClients lists the clients that are connected to this instance, the newest first.
func liveClients(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "limit")
		if err != nil {
			return err
		}
		clients := a.Live().Hub.Clients()
		slices.SortFunc(clients, func(x, y live.ClientInfo) int { return cmp.Or(y.Since.Compare(x.Since), cmp.Compare(y.ID, x.ID)) })
		count := len(clients)
		if q.Has("limit") {
			limit, err := limitOf(q.Get("limit"), count)
			if err != nil {
				return err
			}
			clients = clients[:min(limit, count)]
		}
		return web.JSON(w, http.StatusOK, clientsJSON{count, clients, a.Live().Journal.Newest()})
	}
}

// liveClient serves the JavaScript client.
func liveClient(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, err := w.Write(js.Live)
	return err
}

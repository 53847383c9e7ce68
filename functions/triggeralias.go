package functions

import (
	"net/http"
	"strings"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

const triggerAliasPath = "/event/trigger"

// takesTrigger reports whether the service has an endpoint whose path is the alias's.
func takesTrigger(g *gate.Gate) bool {
	_, configured := g.Endpoint("trigger")
	return configured
}

// triggerAlias serves /event/trigger, which EventSync documents. A configured endpoint
// with the key "trigger" wins: then a request is an event.
func triggerAlias(b *builder, role string) web.Handler {
	return b.byService(triggerAliasPath, func(g *gate.Gate) web.Handler {
		configured := takesTrigger(g)
		switch {
		case configured && b.serves(Ingest):
			return b.guard.Require(auth.Ingest, func(w http.ResponseWriter, r *http.Request) error {
				r.SetPathValue("key", "trigger")
				return takeEvent(g, w, r)
			})
		case !configured && b.serves(Trigger):
			h := notByHead(triggerWindow)
			act := b.audited("triggerAlias", g, func(w http.ResponseWriter, r *http.Request) error { return h(g, w, r) })
			return web.Methods(b.guard.Require(role, act), strings.Fields(byHand)...)
		default:
			return b.guard.Require(auth.Any, func(http.ResponseWriter, *http.Request) error { return unknownKey(g, "trigger") })
		}
	})
}

// notByHead refuses HEAD, which a ServeMux routes like GET. A HEAD request only looks
// whether a page exists: it must not release or empty a window.
func notByHead(h perService) perService {
	return func(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
		if err := refuseHead(r, byHand); err != nil {
			return err
		}
		return h(g, w, r)
	}
}

// refuseHead refuses HEAD at a path whose GET changes something. allowed lists the path's
// methods.
func refuseHead(r *http.Request, allowed string) error {
	if r.Method != http.MethodHead {
		return nil
	}
	methods := strings.Fields(allowed)
	f := fault.New(fault.MethodNotAllowed, "HEAD is not allowed here: use %s", strings.Join(methods, ", "))
	f.Allow = methods
	return f
}

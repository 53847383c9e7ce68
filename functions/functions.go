// Package functions holds Headgate's deployable functions: one short file per
// endpoint that decodes a request, calls a use case and encodes its answer.
//
// A function is a set of routes. Served alone it is a Cloud Run service or a
// Cloud Function; served together they are the whole of Headgate on one port.
package functions

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// Names of the functions.
const (
	Ingest  = "ingest"
	Check   = "check"
	Trigger = "trigger"
	Status  = "status"
	Sweep   = "sweep"
	SyncRun = "syncrun"
	Live    = "live"
	Echo    = "echo"
	Draft   = "draft"
	Console = "console"
)

// Names returns the name of every function.
func Names() []string {
	return []string{Ingest, Check, Trigger, Status, Sweep, SyncRun, Live, Echo, Draft, Console}
}

// handler answers a request to one service.
type handler func(g *gate.Gate, w http.ResponseWriter, r *http.Request) error

// route is a path that a function serves, alone and under /services/{service}.
type route struct {
	function string
	role     string // that a caller needs, where the configuration asks for any
	path     string
	access   web.Access // of GET, HEAD and OPTIONS
	methods  []string   // none: the handler decides
	handle   handler
}

var routes = []route{
	// Sources.
	{Ingest, auth.Ingest, "/event/{key...}", web.Takes, nil, ingest},
	{Ingest, auth.Ingest, "/events/{key...}", web.Takes, []string{http.MethodPost}, ingestBatch},
	// Scheduler, Eventarc.
	{Check, auth.Operate, "/check", web.Reads, []string{http.MethodPost}, check},
	{Sweep, auth.Operate, "/sweep", web.Reads, []string{http.MethodPost}, sweep},
	// People.
	{Trigger, auth.Operate, "/trigger", web.Acts, []string{http.MethodGet, http.MethodPost}, notByHead(trigger)},
	{Trigger, auth.Operate, "/reset", web.Acts, []string{http.MethodGet, http.MethodPost}, notByHead(reset)},
	{Trigger, auth.Operate, "/messages/{eventID}/replay", web.Reads, []string{http.MethodPost}, replay},
	{Status, auth.Read, "/status", web.Reads, []string{http.MethodGet}, status},
	{Status, auth.Read, "/pending", web.Reads, []string{http.MethodGet}, pending},
	{Status, auth.Read, "/history", web.Reads, []string{http.MethodGet}, history},
	// Consumers.
	{Status, auth.Read, "/messages", web.Reads, []string{http.MethodGet}, messages},
	{Status, auth.Read, "/messages/{eventID}", web.Reads, []string{http.MethodGet}, message},
}

// deploymentRoute is a path of the whole deployment.
type deploymentRoute struct {
	function string
	role     string // "read" to read and "operate" to write, where it is ""
	path     string
	methods  []string
	handle   func(*app.App) web.Handler
}

var deploymentRoutes = []deploymentRoute{
	// People.
	{SyncRun, "", "/sync", []string{http.MethodGet, http.MethodPost}, syncs},
	{SyncRun, "", "/sync/{id}", []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost}, oneSync},
	{SyncRun, "", "/sync/{id}/run", []string{http.MethodPost}, runSync},
	{SyncRun, "", "/sync/{id}/runs", []string{http.MethodGet}, syncRuns},
	{SyncRun, "", "/sync/{id}/runs/{runId}", []string{http.MethodGet}, syncRun},
	{SyncRun, "", "/sync/{id}/runs/{runId}/cancel", []string{http.MethodPost}, cancelRun},
	{SyncRun, "", "/sync/{id}/rejects", []string{http.MethodGet}, rejects},
	{SyncRun, "", "/sync/{id}/rejects/retry", []string{http.MethodPost}, retryRejects},
	{SyncRun, "", "/sync/{id}/conflicts", []string{http.MethodGet}, conflicts},
	{SyncRun, "", "/sync/{id}/conflicts/{recordId}", []string{http.MethodPost}, decide},
	// Other systems.
	{SyncRun, "", "/sync/{id}/data", []string{http.MethodGet, http.MethodPost}, syncData},
	{SyncRun, "", "/orgs/{org}/{type}", []string{http.MethodGet}, records},
	{SyncRun, "", "/orgs/{org}/{type}/{id}", []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete}, record},
	// Scheduler and Pub/Sub.
	{SyncRun, auth.Operate, "/sync/due", []string{http.MethodPost}, dueSyncs},
	{SyncRun, auth.Operate, "/sync/work", []string{http.MethodPost}, syncWork},
	{SyncRun, auth.Read, "/sync/check", []string{http.MethodPost}, checkSync},
	{SyncRun, auth.Operate, "/sync/message", []string{http.MethodPost}, onMessage},
	// Applications and people.
	{Live, auth.Operate, "/notify", []string{http.MethodPost}, notify},
	{Live, auth.Read, "/live/clients", []string{http.MethodGet}, liveClients},
	// The source of truth and those who listen to it; its webhooks are beside these.
	{Echo, auth.Operate, "/register-for-webhook", []string{http.MethodPost}, registerWebhook},
	{Echo, auth.Operate, "/unregister-webhook", []string{http.MethodPost}, unregisterWebhook},
	{Echo, auth.Ingest, "/register-session-url", []string{http.MethodPost}, openSession},
	{Echo, auth.Ingest, "/events-listener", []string{http.MethodPost}, endSession},
	{Echo, auth.Read, "/webhooks", []string{http.MethodGet}, webhooks},
	{Echo, auth.Read, "/webhooks/{id}/deliveries", []string{http.MethodGet}, deliveries},
	{Echo, auth.Operate, "/webhooks/{id}/deliveries/{n}/retry", []string{http.MethodPost}, retryDelivery},
	{Echo, auth.Operate, "/webhooks/sweep", []string{http.MethodPost}, sweepWebhooks},
	// People who edit together.
	{Draft, "", "/drafts/{name}", []string{http.MethodGet, http.MethodPatch}, drafts},
	{Draft, "", "/drafts/{name}/{action}", []string{http.MethodPost}, decideDraft},
}

// Handler serves the functions named; none means all of them.
func Handler(a *app.App, names ...string) (http.Handler, error) {
	if len(names) == 0 {
		names = Names()
	}
	for _, n := range names {
		if !slices.Contains(Names(), n) {
			return nil, fmt.Errorf("no function %q: the functions are %q", n, Names())
		}
	}
	guard, err := auth.New(a.Config().Auth)
	if err != nil {
		return nil, err
	}
	return build(a, guard, names).handler(), nil
}

// build registers the routes of the functions named.
func build(a *app.App, guard *auth.Guard, names []string) *builder {
	b := &builder{
		app: a, guard: guard, mux: http.NewServeMux(), access: make(map[string]web.Access),
		adapter: web.Adapter{Log: a.Log(), Requests: a.Memory().Requests, Answers: a.Memory().Answers},
	}
	serves := func(name string) bool { return slices.Contains(names, name) }
	for _, rt := range routes {
		if serves(rt.function) {
			b.gate(rt.path, rt.access, rt.methods, b.guarded(rt.role, rt.handle))
		}
	}
	for _, rt := range deploymentRoutes {
		if serves(rt.function) {
			b.handle(rt.path, web.Methods(b.byMethod(rt.role, rt.handle(a)), rt.methods...))
		}
	}
	if serves(Live) {
		b.live()
	}
	if serves(Echo) {
		b.echoes()
	}
	if serves(Console) {
		b.console()
	}
	b.gate(triggerAliasPath, web.Acts, nil, b.triggerAlias(serves(Ingest), serves(Trigger)))
	if serves(Status) {
		b.handle("/config", guard.Require(auth.Read, web.Methods(configuration(a), http.MethodGet)))
	}
	b.handle("/openapi.json", guard.Require(auth.Any, web.Methods(openapi, http.MethodGet)))
	b.handle("/healthz", web.Methods(healthy, http.MethodGet))
	b.handle("/readyz", web.Methods(ready(a), http.MethodGet))
	b.handle("/", func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.NotFound, "no such path: see /openapi.json")
	})
	return b
}

// handler serves the routes. Every request passes the rules for hosts and for pages of
// other origins first.
func (b *builder) handler() http.Handler {
	browsers := web.NewBrowsers(b.app.Config(), b.app.InCloud(), b.app.Log())
	return browsers.Hosts(withService(browsers.Handler(b.does, b.mux)))
}

// Beside returns h, which is no function but served beside them, under the rules that
// they have for hosts and for pages of other origins. Its safe methods must not act.
func Beside(a *app.App, h http.Handler) http.Handler {
	browsers := web.NewBrowsers(a.Config(), a.InCloud(), a.Log())
	return browsers.Hosts(browsers.Handler(func(*http.Request) web.Access { return web.Reads }, h))
}

// cleanPath is the path without empty and dot segments.
func cleanPath(p string) string {
	clean := path.Clean(p)
	if clean != "/" && strings.HasSuffix(p, "/") {
		clean += "/"
	}
	return clean
}

type serviceKey struct{}

// withService serves every path under /services/{service} too. It takes the name
// off the path itself, for a ServeMux has no place for a name like "/".
func withService(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/services/")
		escaped, rest, more := strings.Cut(rest, "/")
		if !ok || !more || escaped == "" {
			h.ServeHTTP(w, r)
			return
		}
		rest = "/" + rest
		if clean := cleanPath(rest); clean != rest { // as the ServeMux does, which has lost the name by then
			to := "/services/" + escaped + clean
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		name, err := url.PathUnescape(escaped)
		path := ""
		if err == nil {
			path, err = url.PathUnescape(rest)
		}
		if err != nil { // EscapedPath is valid
			http.Error(w, "malformed path", http.StatusBadRequest)
			return
		}
		inner := r.WithContext(context.WithValue(r.Context(), serviceKey{}, name))
		u := *r.URL
		u.Path, u.RawPath = path, rest
		inner.URL = &u
		h.ServeHTTP(w, inner)
	})
}

// service is the name that the path gave; "" means the only or the first one.
func service(r *http.Request) (name string, given bool) {
	name, given = r.Context().Value(serviceKey{}).(string)
	return name, given
}

// builder registers routes.
type builder struct {
	app     *app.App
	guard   *auth.Guard
	mux     *http.ServeMux
	adapter web.Adapter
	access  map[string]web.Access // by pattern
}

func (b *builder) handle(pattern string, h web.Handler) {
	if _, given := b.access[pattern]; !given {
		b.access[pattern] = web.Reads
	}
	b.mux.Handle(pattern, b.adapter.Handler(h))
}

// does returns what a request would do at the route that it leads to.
func (b *builder) does(r *http.Request) web.Access {
	_, pattern := b.mux.Handler(r)
	if pattern == triggerAliasPath {
		name, _ := service(r)
		if g, err := b.app.Gate(name); err == nil && takesTrigger(g) {
			return web.Takes
		}
	}
	return b.access[pattern]
}

// gate registers h for whichever service the path names.
func (b *builder) gate(path string, access web.Access, methods []string, h func(g *gate.Gate) web.Handler) {
	b.access[path] = access
	handlers := make(map[*gate.Gate]web.Handler)
	for _, g := range b.app.Gates() {
		handlers[g] = h(g)
	}
	serve := func(w http.ResponseWriter, r *http.Request) error {
		if access == web.Acts || access == web.Takes {
			web.Acting(w)
		}
		name, _ := service(r)
		g, err := b.app.Gate(name)
		if err != nil { // it names the services: not to everybody
			return b.guard.Require(auth.Any, func(http.ResponseWriter, *http.Request) error { return err })(w, r)
		}
		if path == "/sweep" { // which does it itself, and counts
			return handlers[g](w, r)
		}
		wait := b.app.Help(g)
		err = handlers[g](w, r)
		wait()
		return err
	}
	if methods != nil {
		serve = web.Methods(serve, methods...)
	}
	b.handle(path, serve)
	if bare, ok := strings.CutSuffix(path, "/{key...}"); ok { // the ServeMux would redirect it, without the service
		b.access[bare] = access
		b.handle(bare, serve)
	}
}

// byMethod requires the role, or the one that the method calls for.
func (b *builder) byMethod(role string, h web.Handler) web.Handler {
	if role != "" {
		return b.guard.Require(role, h)
	}
	read, write := b.guard.Require(auth.Read, h), b.guard.Require(auth.Operate, h)
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return read(w, r)
		}
		return write(w, r)
	}
}

func (b *builder) guarded(role string, h handler) func(*gate.Gate) web.Handler {
	return func(g *gate.Gate) web.Handler {
		return b.guard.Require(role, func(w http.ResponseWriter, r *http.Request) error { return h(g, w, r) })
	}
}

const triggerAliasPath = "/event/trigger"

// takesTrigger reports whether an endpoint is configured that has the alias's path.
func takesTrigger(g *gate.Gate) bool {
	_, configured := g.Endpoint("trigger")
	return configured
}

// triggerAlias is EventSync's documented /event/trigger. An endpoint that is
// configured with that key wins.
func (b *builder) triggerAlias(hasIngest, hasTrigger bool) func(*gate.Gate) web.Handler {
	asEvent, asTrigger := b.guarded(auth.Ingest, ingest), b.guarded(auth.Operate, notByHead(trigger))
	return func(g *gate.Gate) web.Handler {
		configured := takesTrigger(g)
		switch {
		case configured && hasIngest:
			h := asEvent(g)
			return func(w http.ResponseWriter, r *http.Request) error {
				r.SetPathValue("key", "trigger")
				return h(w, r)
			}
		case !configured && hasTrigger:
			return web.Methods(asTrigger(g), http.MethodGet, http.MethodPost)
		default:
			return b.guard.Require(auth.Any, func(http.ResponseWriter, *http.Request) error { return unknownKey(g, "trigger") })
		}
	}
}

// notByHead refuses HEAD, which goes where GET does: whatever only looks whether a
// page is there must not release or empty a window.
func notByHead(h handler) handler {
	return func(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodHead {
			f := fault.New(fault.MethodNotAllowed, "HEAD is not allowed here: use GET or POST")
			f.Allow = []string{http.MethodGet, http.MethodPost}
			return f
		}
		return h(g, w, r)
	}
}

func unknownKey(g *gate.Gate, key string) error {
	return fault.New(fault.NotFound, "no endpoint %q: the endpoints are %q", key, g.Keys())
}

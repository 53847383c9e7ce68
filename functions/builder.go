package functions

import (
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// builder registers and serves the routes of the functions that it was made for.
type builder struct {
	app     *app.App
	guard   *auth.Guard
	names   []string // of the functions
	mux     *http.ServeMux
	adapter web.Adapter
	access  map[string]web.Access // by pattern
}

func newBuilder(a *app.App, guard *auth.Guard, names []string) *builder {
	b := &builder{
		app: a, guard: guard, names: names, mux: http.NewServeMux(), access: make(map[string]web.Access),
		adapter: web.Adapter{Log: a.Log(), Requests: a.Memory().Requests, Answers: a.Memory().Answers, Tracer: a.Tracer(), FlushSpans: a.FlushSpans()},
	}
	paths := map[string][]route{}
	var order []string
	for _, rt := range routes {
		if rt.function != "" && !b.serves(rt.function) {
			continue
		}
		if paths[rt.path] == nil {
			order = append(order, rt.path)
		}
		paths[rt.path] = append(paths[rt.path], rt)
	}
	for _, path := range order {
		b.register(path, paths[path], paths[path+keyed])
		// The ServeMux would redirect the path without a key, and lose the service.
		switch bare, ok := strings.CutSuffix(path, keyed); {
		case !ok || paths[bare] != nil:
		case slices.ContainsFunc(routes, func(rt route) bool { return rt.path == bare }): // a path of another function
			b.register(bare, nil, paths[path])
		default:
			b.register(bare, paths[path], nil)
		}
	}
	return b
}

// keyed ends the paths that go on with the key of an endpoint.
const keyed = "/{key...}"

func (b *builder) serves(function string) bool { return slices.Contains(b.names, function) }

// register adds the routes of one path. They have the same onGet, as a test checks. lacking
// are the routes of the path with a key: an event that is sent to the path without one is
// told the keys.
func (b *builder) register(path string, of, lacking []route) {
	handlers := map[string]web.Handler{}
	var methods []string
	for _, rt := range of {
		h := rt.handle.handler(b, rt)
		for _, m := range strings.Fields(rt.methods) {
			handlers[m], methods = h, append(methods, m)
		}
	}
	serve := handlers[anyMethod]
	if serve == nil {
		handlers[http.MethodHead] = handlers[http.MethodGet]
		serve = web.Methods(func(w http.ResponseWriter, r *http.Request) error { return handlers[r.Method](w, r) }, methods...)
	}
	access := web.Reads
	if len(of) > 0 && (of[0].role == auth.Ingest || path == triggerAliasPath) { // sources deliver here
		serve = b.consenting(path, methods, serve)
	}
	if len(of) > 0 {
		access = of[0].onGet
	} else {
		serve = noSuchPath
	}
	for _, rt := range lacking {
		own, h := serve, rt.handle.handler(b, rt)
		serve = func(w http.ResponseWriter, r *http.Request) error {
			if slices.Contains(strings.Fields(rt.methods), r.Method) {
				return h(w, r)
			}
			return own(w, r)
		}
	}
	if access == web.Acts || access == web.Takes {
		inner := serve
		serve = func(w http.ResponseWriter, r *http.Request) error {
			web.Acting(w)
			return inner(w, r)
		}
	}
	if path == defaultSocketPath {
		path = socketPath(b.app)
	}
	b.handle(path, access, serve)
}

func (b *builder) handle(pattern string, access web.Access, h web.Handler) {
	b.access[pattern] = access
	adapter := b.adapter
	if pattern == "/healthz" || pattern == "/readyz" { // the platform asks every few seconds
		adapter.Tracer = nil
	}
	if access != web.Connects { // a connection lasts as long as its client
		adapter.Meter = b.app.Meter()
	}
	b.mux.Handle(pattern, adapter.Handler(h))
}

// handler serves the routes. Every request passes the rules for hosts and for pages of
// other origins first. Standard methods may be in any letter case, as in EventSync.
func (b *builder) handler() http.Handler {
	browsers := web.NewBrowsers(b.app.Config(), b.app.Platform().Proxied(), b.app.Log())
	return web.NoSniff(browsers.Hosts(web.AnyCase(withService(browsers.Handler(b.does, b.mux)))))
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

// An endpoint makes the handler of a route. Its kinds differ in what the handler gets, and
// in where the caller's role is checked.
type endpoint interface {
	handler(b *builder, rt route) web.Handler
}

type (
	// perService acts on the service that the path names.
	perService func(g *gate.Gate, w http.ResponseWriter, r *http.Request) error
	// deployment acts on the whole deployment.
	deployment func(*app.App) web.Handler
	// plain needs nothing.
	plain web.Handler
	// guarding asks for the role itself, because the role is not all that lets callers in.
	guarding func(b *builder, role string) web.Handler
)

func (h perService) handler(b *builder, rt route) web.Handler {
	return b.byService(rt.path, func(g *gate.Gate) web.Handler {
		return b.require(rt.role, b.audited(rt.doc.id, g, func(w http.ResponseWriter, r *http.Request) error { return h(g, w, r) }))
	})
}

func (h deployment) handler(b *builder, rt route) web.Handler {
	return b.require(rt.role, b.audited(rt.doc.id, nil, h(b.app)))
}

func (h plain) handler(b *builder, rt route) web.Handler { return b.require(rt.role, web.Handler(h)) }

func (h guarding) handler(b *builder, rt route) web.Handler { return h(b, rt.role) }

// require asks the caller for the role; everybody has the role public.
func (b *builder) require(role string, h web.Handler) web.Handler {
	if role == public {
		return h
	}
	return b.guard.Require(role, h)
}

// byService chooses the handler of the service that the path names.
func (b *builder) byService(path string, of func(*gate.Gate) web.Handler) web.Handler {
	handlers := make(map[*gate.Gate]web.Handler)
	for _, g := range b.app.Gates() {
		handlers[g] = of(g)
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		name, _ := service(r)
		g, err := b.app.Gate(name)
		if err != nil { // it names the services, which only callers with a role may learn
			return b.guard.Require(auth.Any, func(http.ResponseWriter, *http.Request) error { return err })(w, r)
		}
		if err := b.unnamed(path, g, name); err != nil {
			return b.guard.Require(auth.Any, func(http.ResponseWriter, *http.Request) error { return err })(w, r)
		}
		if path == "/sweep" { // it publishes what waits itself, and counts it
			err := handlers[g](w, r)
			b.app.Export(r.Context())
			return err
		}
		// A claim is published by any later request. This one helps while it is served.
		wait := b.app.Help(g)
		err = handlers[g](w, r)
		wait()
		if name == "" {
			err = b.namingOthers(err)
		}
		return err
	}
}

// unnamed refuses a request by hand that releases or empties a window and does not say of
// which of several services. It would act on the first, which need not be the one that was
// meant.
func (b *builder) unnamed(path string, g *gate.Gate, name string) error {
	gates := b.app.Gates()
	if name != "" || len(gates) == 1 || path != "/trigger" && path != "/reset" && (path != triggerAliasPath || takesTrigger(g)) {
		return nil
	}
	names := make([]string, len(gates))
	for i, one := range gates {
		names[i] = one.Service().ServiceName
	}
	return fault.New(fault.Invalid, "name the service: /services/{service}%s; the services are %q", path, names)
}

// noSuchPath answers every path that has no route.
func noSuchPath(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.NotFound, "no such path: see /openapi.json")
}

package functions

import (
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// usual lists the methods that an endpoint takes if acceptedHttpMethods is omitted. It takes
// any other method as well, but for HEAD and OPTIONS: those ask about an address, and are
// sent by browsers, proxies and monitors. As events they would release windows.
var usual = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// accepts reports whether a request by the method is an event of the endpoint.
func accepts(e config.Endpoint, method string) bool {
	if len(e.AcceptedHTTPMethods) == 0 {
		return method != http.MethodHead && method != http.MethodOptions
	}
	return slices.Contains(e.AcceptedHTTPMethods, method)
}

// accepted returns the methods that the endpoint takes, for people and the header Allow.
func accepted(e config.Endpoint) []string {
	if len(e.AcceptedHTTPMethods) == 0 {
		return usual
	}
	return e.AcceptedHTTPMethods
}

// consenting answers OPTIONS at a path to which sources deliver. It comes before the
// caller's role is asked for: a sender that validates an address may have no credentials
// yet. So where callers need credentials, it does not tell which names exist.
func (b *builder) consenting(path string, allowed []string, serve web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodOptions {
			return serve(w, r)
		}
		methods, asOther, err := b.delivers(path, r)
		switch {
		case asOther:
			return serve(w, r)
		case err != nil && b.app.Config().Auth == nil:
			return err
		case methods == nil:
			methods = allowed
		}
		return web.Consent(w, r, methods)
	}
}

// delivers returns the methods that the address of a source takes, if they are its own.
// asOther reports that an OPTIONS request is no question there, but like any other request.
// The error says that nothing has the address.
func (b *builder) delivers(path string, r *http.Request) (methods []string, asOther bool, err error) {
	if path == hookPath {
		if name := r.PathValue("name"); !slices.ContainsFunc(b.app.Config().Hooks, func(h config.Hook) bool { return h.Name == name }) {
			return nil, false, fault.New(fault.NotFound, "no hook %q", name)
		}
		return nil, false, nil
	}
	feed, single := r.PathValue("name"), path == eventPath || path == strings.TrimSuffix(eventPath, keyed)
	key := r.PathValue("key")
	if path == triggerAliasPath {
		key, single = "trigger", true
	}
	if feed == "" && !single && !strings.HasSuffix(path, keyed) { // one address, which is always there
		return nil, false, nil
	}
	name, _ := service(r)
	g, err := b.app.Gate(name)
	if err != nil {
		return usual, false, err
	}
	if feed != "" {
		if !g.Feed(feed) {
			return nil, false, unknownFeed(g, feed)
		}
		return nil, false, nil
	}
	e, ok := g.Endpoint(key)
	switch {
	case !ok && path == triggerAliasPath: // no source delivers here
		return nil, true, nil
	case !ok && single:
		return usual, false, unknownKey(g, key)
	case !ok:
		return nil, false, unknownKey(g, key)
	case !single:
		return nil, false, nil
	}
	return accepted(e), accepts(e, http.MethodOptions), nil
}

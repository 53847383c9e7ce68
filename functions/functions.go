// Package functions holds Headgate's deployable functions: one short file per
// endpoint that decodes a request, calls a use case and encodes its answer.
//
// A function is a set of routes, and routes.go has all of them in one table. Served
// alone, a function is a Cloud Run service or a Cloud Function; served together, the
// functions are the whole of Headgate on one port.
package functions

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/auth"
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
	guard, err := auth.New(a.Config().Auth, nil, a.Now)
	if err != nil {
		return nil, err
	}
	return newBuilder(a, guard, names).handler(), nil
}

// Beside returns h under the rules that functions have for hosts and for pages of other
// origins. It is for handlers that are served on the same port and are no function.
// The safe methods of h must not act.
func Beside(a *app.App, h http.Handler) http.Handler {
	browsers := web.NewBrowsers(a.Config(), a.Platform().Proxied(), a.Log())
	return web.NoSniff(browsers.Hosts(browsers.Handler(func(*http.Request) web.Access { return web.Reads }, h)))
}

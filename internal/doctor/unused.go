package doctor

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/shell"
	"github.com/headgate/headgate/internal/store"
)

const (
	// lookedThrough bounds the events that are looked through for each service: the oldest
	// that are kept, and those of the last hour.
	lookedThrough = 5_000
	eventPage     = 1_000
)

// servicePath returns what begins the paths of a service.
func (e *examination) servicePath(svc config.Service) string {
	if len(e.Config.Services) < 2 {
		return ""
	}
	return "/services/" + url.PathEscape(svc.ServiceName)
}

// silentCheck looks for endpoints from which no event is stored. Events are kept for some
// days, so an endpoint that sends once a month is among them.
func (e *examination) silentCheck(svc config.Service) Check {
	const code = "endpoint.used"
	name := fmt.Sprintf("the store, asked for the events of service %q,", svc.ServiceName)
	return Check{Name: name, Code: "endpoint", Late: NotChecked, Do: func(ctx context.Context, found func(Finding)) {
		silent := make(map[string]bool)
		for _, ep := range svc.Endpoints {
			silent[ep.EventKey] = true
		}
		all, err := e.hear(ctx, svc, silent)
		if err != nil {
			found(notChecked(code, "the endpoints of service %q: its events could not be read", svc.ServiceName))
			return
		}
		if n := len(svc.Endpoints) - len(silent); n > 0 {
			found(ok(code, "endpoints of service %q that sent an event: %d of %d", svc.ServiceName, n, len(svc.Endpoints)))
		}
		for _, ep := range svc.Endpoints {
			switch {
			case !silent[ep.EventKey]:
			case !all:
				found(notChecked(code, "whether the endpoint %q of service %q ever sent: it did not lately, and more events are stored than are looked through", ep.EventKey, svc.ServiceName))
			default:
				found(Finding{"endpoint.silent", Warning, fmt.Sprintf("the endpoint %q of service %q sent no event that is still stored", ep.EventKey, svc.ServiceName),
					e.Place.Headgate(e.ofService(svc, "send", shell.Quote(ep.EventKey), "-d", "test")...)})
			}
		}
	}}
}

// hear deletes the endpoints that sent an event from silent. all reports whether every event
// was looked at, or none had to be.
func (e *examination) hear(ctx context.Context, svc config.Service, silent map[string]bool) (all bool, err error) {
	all, err = e.hearIn(ctx, svc, store.Span{}, silent)
	if err != nil || all {
		return all, err
	}
	_, err = e.hearIn(ctx, svc, store.Span{From: e.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)}, silent)
	return len(silent) == 0, err
}

func (e *examination) hearIn(ctx context.Context, svc config.Service, in store.Span, silent map[string]bool) (all bool, err error) {
	var after *store.Cursor
	for read := 0; read < lookedThrough && len(silent) > 0; {
		page, err := e.Store.EventsBetween(ctx, svc.ServiceName, in, after, eventPage)
		if err != nil || len(page) == 0 {
			return true, err
		}
		for _, one := range page {
			delete(silent, one.Key)
		}
		last := page[len(page)-1]
		after = &store.Cursor{Date: last.ReceivedAt, ID: last.ID}
		read += len(page)
	}
	return len(silent) == 0, nil
}

// hookCheck looks for a hook that gets no webhooks.
func (e *examination) hookCheck(h config.Hook) Check {
	const code = "hook.used"
	return Check{Name: fmt.Sprintf("the store, asked for the hook %q,", h.Name), Code: "hook", Late: NotChecked, Do: func(ctx context.Context, found func(Finding)) {
		if e.HookUsed == nil {
			return
		}
		used, err := e.HookUsed(ctx, h.Name)
		switch {
		case err != nil:
			found(notChecked(code, "the hook %q: the store could not be read", h.Name))
		case used:
			found(ok(code, "the hook %q gets webhooks", h.Name))
		default:
			found(Finding{"hook.silent", Warning, fmt.Sprintf("the hook %q got no webhook with an id in the last four days", h.Name), e.curl("POST", "/hooks/"+url.PathEscape(h.Name))})
		}
	}}
}

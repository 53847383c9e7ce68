package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
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
// days, so an endpoint that sends once a month is among them. An optional one may be silent.
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
			case ep.Optional:
				found(ok(code, "the endpoint %q of service %q, which is optional, sent no event that is still stored", ep.EventKey, svc.ServiceName))
			default:
				// No command: an event that is sent to see what happens would count.
				found(Finding{"endpoint.silent", Warning, fmt.Sprintf("the endpoint %q of service %q sent no event that is still stored: see whether its source calls %s/event/%s",
					ep.EventKey, svc.ServiceName, e.servicePath(svc), url.PathEscape(ep.EventKey)), ""})
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
			found(Finding{"hook.silent", Warning, fmt.Sprintf("the hook %q got no webhook with an id in the last four days: see whether its sender calls /hooks/%s", h.Name, url.PathEscape(h.Name)), ""})
		}
	}}
}

// settingsCheck looks for settings that nothing uses.
func (e *examination) settingsCheck() Check {
	const code = "setting.used"
	return Check{Name: "the store, asked for what uses the settings,", Code: "setting", Late: NotChecked, Do: func(ctx context.Context, found func(Finding)) {
		if e.Unused == nil {
			return
		}
		all, err := e.Unused(ctx)
		switch {
		case err != nil:
			found(notChecked(code, "whether something uses each setting: the syncs or the webhooks could not be read"))
		case len(all) == 0:
			found(ok(code, "no setting of the configuration is known to be unused"))
		}
		for _, one := range all {
			f := Finding{"setting.unused", Warning, fmt.Sprintf("nothing uses %s: %s", one.Path, one.Why), ""}
			if strings.HasPrefix(one.Path, "$.sync.") {
				f.Fix = e.Place.Headgate("sync", "list")
			}
			if strings.HasPrefix(one.Path, "$.sync.secrets[") {
				f.Code = "secret.unused"
			}
			found(f)
		}
	}}
}

package flow

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Warnings returns what an operator should correct about what the messages of the service
// start. Syncs are created and deleted at any time, so it looks each time.
func (f *Flow) Warnings(ctx context.Context, svc config.Service) ([]string, error) {
	var warnings []string
	for _, id := range svc.SyncsStarted() {
		missing, err := f.missing(ctx, id)
		if err != nil {
			return nil, err
		}
		if missing {
			warnings = append(warnings, fmt.Sprintf("%s names the sync %q, which does not exist: messages start nothing until it is created", setting(svc, id), id))
		}
	}
	return warnings, nil
}

// setting returns the place in the configuration that names the sync.
func setting(svc config.Service, id string) string {
	if svc.OnMessage != nil && svc.OnMessage.Sync == id {
		return "onMessage.sync"
	}
	return "a target"
}

// missing reports whether there is no sync of that id.
func (f *Flow) missing(ctx context.Context, id string) (bool, error) {
	_, err := f.use.Definitions.Get(ctx, id)
	if fault.CodeOf(err) == fault.NotFound {
		return true, nil
	}
	return false, err
}

// WarnOfMissing logs a line for everything in the configuration that names a sync or an
// entity which does not exist. It may still be created.
func (f *Flow) WarnOfMissing(ctx context.Context) {
	warn := func(id, what string, attrs ...any) {
		missing, err := f.missing(ctx, id)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			f.o.Log.Warn("it is not known whether a sync that the configuration names exists", append(attrs, "syncId", id, "error", err)...)
		case missing:
			f.o.Log.Warn(what, append(attrs, "syncId", id)...)
		}
	}
	for _, svc := range f.o.Config.Services {
		for _, id := range svc.SyncsStarted() {
			what := "a target names a sync that does not exist: messages start nothing until it is created"
			if svc.OnMessage != nil && svc.OnMessage.Sync == id {
				what = "onMessage names a sync that does not exist: messages start nothing until it is created"
			}
			warn(id, what, "serviceName", svc.ServiceName)
		}
	}
	for _, h := range f.o.Config.Hooks {
		if h.Sync != "" {
			warn(h.Sync, "a hook names a sync that does not exist: its webhooks are refused until it is created", "hook", h.Name)
		}
	}
	f.warnOfUnresolved(ctx, f.o.Config.Hooks)
	for _, d := range f.o.Config.Drafts {
		if d.Sync != nil {
			warn(d.Sync.ID, "a draft names a sync that does not exist: it has no rows until the sync is created", "draft", d.Name)
		}
	}
}

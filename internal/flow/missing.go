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
	if svc.OnMessage == nil {
		return nil, nil
	}
	missing, err := f.missing(ctx, svc.OnMessage.Sync)
	if err != nil || !missing {
		return nil, err
	}
	return []string{fmt.Sprintf("onMessage.sync names the sync %q, which does not exist: messages start nothing until it is created", svc.OnMessage.Sync)}, nil
}

// missing reports whether there is no sync of that id.
func (f *Flow) missing(ctx context.Context, id string) (bool, error) {
	_, err := f.use.Definitions.Get(ctx, id)
	if fault.CodeOf(err) == fault.NotFound {
		return true, nil
	}
	return false, err
}

// WarnOfMissingSyncs logs a line for everything in the configuration that names a sync
// which does not exist. It may still be created.
func (f *Flow) WarnOfMissingSyncs(ctx context.Context) {
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
		if svc.OnMessage != nil {
			warn(svc.OnMessage.Sync, "onMessage names a sync that does not exist: messages start nothing until it is created", "serviceName", svc.ServiceName)
		}
	}
	for _, h := range f.o.Config.Hooks {
		if h.Sync != "" {
			warn(h.Sync, "a hook names a sync that does not exist: its webhooks are refused until it is created", "hook", h.Name)
		}
	}
	for _, d := range f.o.Config.Drafts {
		if d.Sync != nil {
			warn(d.Sync.ID, "a draft names a sync that does not exist: it has no rows until the sync is created", "draft", d.Name)
		}
	}
}

package app

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/origin"
	"github.com/headgate/headgate/internal/webhook/expression"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// hook builds a hook from its configuration.
func (a *App) hook(ctx context.Context, h config.Hook) (*incoming.Hook, error) {
	secrets, err := a.secrets(ctx, h.Verify.Secrets)
	if err != nil {
		return nil, err
	}
	a.warnOfSecrets("hooks."+h.Name+".verify.secrets", h.Verify.Type, secrets)
	out := &incoming.Hook{Name: h.Name, Verify: h.Verify.Type, Scheme: h.Verify.Scheme(), Secrets: secrets, Signal: h.Signal, Sync: h.Sync}
	if h.Event != nil {
		out.Service, out.EventKey = h.Event.ServiceName, h.Event.EventKey
	}
	for _, one := range []struct {
		field, text string
		into        **expression.Expression
		compile     func(string) (*expression.Expression, error)
	}{
		{"webhookId", h.WebhookID, &out.WebhookID, expression.Compile},
		{"when", h.When, &out.When, expression.Condition},
		{"entity", h.Entity, &out.Entity, expression.Compile},
		{"id", h.ID, &out.ID, expression.Compile},
	} {
		if one.text == "" {
			continue
		}
		if *one.into, err = one.compile(one.text); err != nil {
			return nil, fmt.Errorf("%s: %w", one.field, err)
		}
	}
	return out, nil
}

// needsNoHandshake reports whether a target may be called without a handshake: its host is listed,
// with or without its scheme's default port, or it is this machine. In the cloud, this
// machine does not belong to the user, so there the second case does not count.
func (a *App) needsNoHandshake(u *url.URL) bool {
	if cfg := a.o.Config.Echo; cfg != nil {
		for _, h := range cfg.AllowTargets {
			if h == u.Hostname() || origin.Host(u.Scheme, h) == origin.Host(u.Scheme, u.Host) {
				return true
			}
		}
	}
	host := u.Hostname()
	return a.o.Platform.OwnMachine() && (host == "localhost" || host == "127.0.0.1" || host == "::1")
}

// PublicURL returns the URL of this process, without a slash at the end.
func (a *App) PublicURL() string {
	if u := a.o.Config.PublicURL; u != "" {
		return u
	}
	return a.o.Base
}

// hooks returns the hook of the source of truth, nil if it has no secrets, and the named
// hooks.
func (a *App) hooks(ctx context.Context) (source *incoming.Hook, named map[string]*incoming.Hook, err error) {
	if cfg := a.o.Config.Echo; cfg != nil {
		secrets, err := a.secrets(ctx, cfg.Secrets)
		if err != nil {
			return nil, nil, fmt.Errorf("echo.secrets: %w", err)
		}
		a.warnOfSecrets("echo.secrets", incoming.Standard, secrets)
		if len(secrets) > 0 {
			source = &incoming.Hook{Name: "echo", Verify: incoming.Standard, Secrets: secrets}
		}
	}
	named = make(map[string]*incoming.Hook)
	for _, h := range a.o.Config.Hooks {
		if named[h.Name], err = a.hook(ctx, h); err != nil {
			return nil, nil, fmt.Errorf("hooks %q: %w", h.Name, err)
		}
	}
	return source, named, nil
}

func (a *App) newSessions() *incoming.Sessions {
	o := incoming.SessionOptions{Docs: a.o.Store, Log: a.o.Log, Now: a.o.Now, HTTP: a.o.HooksHTTP, PublicURL: a.PublicURL()}
	o.Many = !a.o.Platform.OwnMachine()
	if cfg := a.o.Config.Echo; cfg != nil {
		o.Upstream, o.Lists = cfg.Upstream, cfg.Lists
	}
	return incoming.NewSessions(o)
}

func (a *App) newOutgoing() *outgoing.Service {
	return outgoing.New(outgoing.Options{
		Docs: a.o.Store, HTTP: a.o.HooksHTTP, Log: a.o.Log, Now: a.o.Now, Random: func() string { return event.NewID(time.Now()) },
		PublicURL: a.PublicURL(), Consents: a.needsNoHandshake, BackgroundCPU: a.backgroundCPU, Changed: a.flow.WebhooksChanged,
		Message: a.flow.Message, Tracer: a.o.Tracer, Meter: a.o.Meter,
	})
}

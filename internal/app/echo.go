package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/origin"
	"github.com/headgate/headgate/internal/sync/syncrun"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/outgoing"
	"github.com/headgate/headgate/live"
)

// Types of live entities that are signals of lists, and no records.
const (
	// ListType is a list of the source; its id is the list's.
	ListType = "task-lists"
	// SessionType is a session; its id is that of incoming.Session.ID.
	SessionType = "task-list-sessions"
)

// signalType is Fluid's.
const signalType = "ExternalDataChanged_V1.0.0"

// Incoming returns the use case of the webhooks that come in.
func (a *App) Incoming() *incoming.Service { return a.incoming }

// Sessions returns the use case of the documents that people have open.
func (a *App) Sessions() *incoming.Sessions { return a.sessions }

// Outgoing returns the use case of the webhooks that are sent.
func (a *App) Outgoing() *outgoing.Service { return a.outgoing }

func (a *App) newWebhooks() error {
	public := a.o.Config.PublicURL
	if public == "" {
		public = a.o.Base
	}
	so := incoming.SessionOptions{Docs: a.o.Store, Log: a.o.Log, Now: a.o.Now, HTTP: a.o.HooksHTTP, PublicURL: public}
	ctx := context.Background()
	if cfg := a.o.Config.Echo; cfg != nil {
		so.Upstream = cfg.Upstream
		secrets, err := a.secrets(ctx, cfg.Secrets)
		if err != nil {
			return fmt.Errorf("echo.secrets: %w", err)
		}
		if len(secrets) > 0 {
			a.echoHook = &incoming.Hook{Name: "echo", Verify: incoming.Standard, Secrets: secrets}
		}
	}
	a.sessions = incoming.NewSessions(so)
	a.incoming = incoming.New(incoming.Options{Docs: a.o.Store, Sessions: a.sessions, Log: a.o.Log, Now: a.o.Now, Changed: a.listChanged})
	a.outgoing = outgoing.New(outgoing.Options{
		Docs: a.o.Store, HTTP: a.o.HooksHTTP, Log: a.o.Log, Now: a.o.Now, Random: func() string { return event.NewID(time.Now()) },
		PublicURL: public, Consents: a.consents, BackgroundCPU: a.o.RunsOn,
	})
	a.hooks = make(map[string]*incoming.Hook)
	for _, h := range a.o.Config.Hooks {
		hook, err := a.hook(ctx, h)
		if err != nil {
			return fmt.Errorf("hooks %q: %w", h.Name, err)
		}
		a.hooks[h.Name] = hook
	}
	return nil
}

// secret is a credential that the configuration has or refers to.
func (a *App) secret(ctx context.Context, value string) (string, error) {
	switch {
	case a.o.Secret != nil:
		return a.o.Secret(ctx, value)
	case credential.IsReference(value): // as it is written, everybody would know it
		return "", fault.New(fault.Invalid, "%s refers to a credential, and nothing resolves it here", value)
	}
	return value, nil
}

func (a *App) secrets(ctx context.Context, values []string) (out []string, err error) {
	for _, v := range values {
		s, err := a.secret(ctx, v)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (a *App) hook(ctx context.Context, h config.Hook) (*incoming.Hook, error) {
	secrets, err := a.secrets(ctx, h.Verify.Secrets)
	if err != nil {
		return nil, err
	}
	out := &incoming.Hook{Name: h.Name, Verify: h.Verify.Type, Header: h.Verify.Header, Secrets: secrets, Signal: h.Signal, Sync: h.Sync}
	if h.Event != nil {
		out.Service, out.EventKey = h.Event.ServiceName, h.Event.EventKey
	}
	if h.Entity != "" {
		if out.Entity, err = incoming.Compile(h.Entity); err != nil {
			return nil, fmt.Errorf("entity: %w", err)
		}
		if out.ID, err = incoming.Compile(h.ID); err != nil {
			return nil, fmt.Errorf("id: %w", err)
		}
	}
	return out, nil
}

// consents reports whether a webhook's target needs no asking: it is listed, on its
// scheme's default port or not, or it is this machine and not a cloud's.
func (a *App) consents(u *url.URL) bool {
	if cfg := a.o.Config.Echo; cfg != nil {
		for _, h := range cfg.AllowTargets {
			if h == u.Hostname() || origin.Host(u.Scheme, h) == origin.Host(u.Scheme, u.Host) {
				return true
			}
		}
	}
	host := u.Hostname()
	return a.o.RunsOn && (host == "localhost" || host == "127.0.0.1" || host == "::1")
}

// listChanged tells the live clients of a list and of the sessions that have it open.
func (a *App) listChanged(ctx context.Context, list string, sessions []incoming.Session) {
	keys := []live.Key{{Org: live.DefaultOrg, Type: ListType, ID: list}}
	for _, s := range sessions {
		keys = append(keys, live.Key{Org: live.DefaultOrg, Type: SessionType, ID: s.ID()})
	}
	tell, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	if err := a.Notify(tell, keys); err != nil {
		a.o.Log.Warn("not every instance heard of a list's change: a comparison of versions makes up for it", "list", list, "error", err)
	}
	if a.o.RunsOn { // the source does not wait for us to fetch from it
		a.telling.Go(func() { a.refreshDrafts(ctx, showsList(list)) })
	} else {
		a.refreshDrafts(ctx, showsList(list))
	}
	a.outgoing.Announce(ctx, list)
}

// listResolver has the signals of lists and sessions: they carry no data.
type listResolver struct {
	lists    *incoming.Service
	sessions *incoming.Sessions
}

func (listResolver) PerSecret() bool { return false }

func (r listResolver) Resolve(ctx context.Context, k live.Key, _ string) (s live.State, err error) {
	open := []string{k.ID}
	if k.Type == SessionType {
		if open, err = r.sessions.ListsOf(ctx, k.ID); err != nil || len(open) == 0 {
			return live.State{Gone: true}, err
		}
	}
	for _, id := range open {
		l, err := r.lists.List(ctx, id)
		switch fault.CodeOf(err) {
		case "":
		case fault.NotFound:
			continue
		default:
			return s, err
		}
		row, err := json.Marshal(map[string]any{"type": signalType, "content": map[string]string{"externalTaskListId": id}})
		if err != nil {
			return s, err
		}
		s.Version = strings.TrimPrefix(fmt.Sprintf("%s,%s:%d", s.Version, id, l.Version), ",")
		s.Rows = append(s.Rows, row)
	}
	s.Gone = len(s.Rows) == 0
	return s, nil
}

// VerifyEcho checks a webhook of the source of truth and returns its id.
func (a *App) VerifyEcho(h http.Header, body []byte) (string, error) {
	hook := a.echoHook
	if hook == nil {
		hook = &incoming.Hook{Verify: incoming.None}
	}
	return hook.Check(h, body, a.o.Now())
}

// Taken is what a webhook under a name led to.
type Taken struct {
	Duplicate bool   `json:"duplicate"`
	Entity    string `json:"entity,omitempty"`
	ID        string `json:"id,omitempty"`
	RunID     string `json:"runId,omitempty"`
	EventID   string `json:"eventId,omitempty"`
}

// TakeHook verifies a webhook and does what the configuration says, once per id.
// receive makes an event of it for the gate.
func (a *App) TakeHook(ctx context.Context, name string, h http.Header, body []byte, receive func(service, key, id string) (string, error)) (out Taken, err error) {
	hook, ok := a.hooks[name]
	if !ok {
		return out, fault.New(fault.NotFound, "no hook %q is configured", name)
	}
	id, err := hook.Check(h, body, a.o.Now())
	if err != nil {
		return out, err
	}
	if out.Entity, out.ID, err = hook.Named(h, body); err != nil {
		return out, err
	}
	changed := live.KeyOf(out.Entity, out.ID)
	if hook.Signal {
		if err := changed.Validate(); err != nil {
			return out, fault.New(fault.Invalid, "%s", err)
		}
	}
	out.Duplicate, err = a.incoming.Once(ctx, "hook "+name, id, func() error {
		if hook.Sync != "" {
			o := syncrun.Start{Trigger: "webhook"}
			if id != "" {
				o.EventID = name + "-" + id
			}
			run, err := a.syncs.Start(ctx, hook.Sync, o)
			switch fault.CodeOf(err) {
			case "":
				out.RunID = run.ID
			case fault.Conflict: // the source is asked to come again: what it tells of may be missed by that run
				return fault.Wrap(fault.Unavailable, err, "the sync is at work; send the webhook again")
			default:
				return err
			}
		}
		if hook.EventKey != "" {
			if out.EventID, err = receive(hook.Service, hook.EventKey, id); err != nil {
				return err
			}
		}
		if hook.Signal {
			return a.Notify(ctx, []live.Key{changed})
		}
		return nil
	})
	return out, err
}

package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/fault"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// senders returns the senders of a service's targets that are not topics, by name.
func (a *App) senders(ctx context.Context, svc config.Service) (map[string]target.Sender, error) {
	senders := make(map[string]target.Sender)
	for _, t := range svc.AllTargets() {
		switch {
		case t.HTTP != nil:
			s, err := a.httpSender(ctx, "targets."+t.Name+".http", t.HTTP)
			if err != nil {
				return nil, fmt.Errorf("target %q: %w", t.Name, err)
			}
			senders[t.Name] = s
		case t.Sync != nil && a.startsSync(svc, t):
			senders[t.Name] = syncSender{a, svc.ServiceName, t.Sync.ID}
		}
	}
	return senders, nil
}

// startsSync reports whether the gate starts the target's sync itself. A process that gets no
// processor between requests cannot work on a run that onMessage starts. There a push
// subscription of the service's topic brings the message, and the run has that request's time.
func (a *App) startsSync(svc config.Service, t config.Target) bool {
	cfg := a.o.Config.Sync
	return a.backgroundCPU || cfg != nil && cfg.WorkTopic != "" || !t.OnMessage() || len(svc.Topics()) == 0
}

// httpSender returns the sender of an endpoint that the configuration has at setting.
func (a *App) httpSender(ctx context.Context, setting string, h *config.TargetHTTP) (*target.HTTP, error) {
	s := &target.HTTP{
		URL: h.URL, Client: a.o.HooksHTTP, Body: h.Body, Audience: h.Audience(), Scopes: h.Scopes(), Tokens: a.o.Tokens, Now: a.o.Now,
	}
	for _, one := range []struct {
		field, value string
		into         *string
	}{{"secret", h.Secret, &s.Secret}, {"formerSecret", h.FormerSecret, &s.FormerSecret}} {
		if one.value == "" {
			continue
		}
		var err error
		if *one.into, err = a.secret(ctx, one.value); err != nil {
			return nil, fmt.Errorf("%s: %w", one.field, err)
		}
		if signature.CheckSecret(*one.into) != nil { // the secret behind a reference is known only now
			return nil, fault.New(fault.Invalid, "%s is not one of Standard Webhooks: whsec_ and base64 of at least 16 bytes", one.field)
		}
	}
	if s.FormerSecret != "" && s.FormerSecret == s.Secret {
		a.o.Log.Warn("the former secret of an endpoint is the present one, so receivers that have only the one before the change refuse its signature", "setting", setting+".formerSecret")
	}
	return s, nil
}

// syncSender starts a sync.
type syncSender struct {
	a           *App
	service, id string
}

// Send implements [target.Sender]. A sync that is at work starts again later.
func (s syncSender) Send(ctx context.Context, m target.Message) error {
	_, err := s.a.flow.StartSync(ctx, s.service, m.ID, s.id)
	if err == nil {
		return nil
	}
	if _, busy := errors.AsType[*syncrun.Busy](err); busy {
		return &target.Failure{Message: "the sync is at work on an earlier message", Cause: err}
	}
	switch fault.CodeOf(err) {
	case fault.NotFound:
		return &target.Failure{Message: fmt.Sprintf("there is no sync %q", s.id), Final: true, Cause: err}
	case fault.Conflict:
		return &target.Failure{Message: "the sync is a one-time sync and has finished", Final: true, Cause: err}
	default:
		return &target.Failure{Message: "the sync could not be started", Cause: err}
	}
}

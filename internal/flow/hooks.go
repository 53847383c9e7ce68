package flow

import (
	"context"
	"net/http"

	"github.com/headgate/headgate/internal/platform/fault"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/live"
)

// VerifySource checks a webhook of the source of truth and returns its id.
func (f *Flow) VerifySource(h http.Header, body []byte) (string, error) {
	hook := f.o.SourceHook
	if hook == nil {
		hook = &incoming.Hook{Verify: incoming.None}
	}
	return hook.Check(h, body, f.o.Now())
}

// Taken holds the effects of a webhook at a hook.
type Taken struct {
	Duplicate bool   `json:"duplicate"`
	Entity    string `json:"entity,omitempty"`
	ID        string `json:"id,omitempty"`
	RunID     string `json:"runId,omitempty"`
	EventID   string `json:"eventId,omitempty"`
}

// TakeHook verifies a webhook at the hook with this name. Once per id, it does what the
// configuration says: it starts a sync, stores an event, and signals an entity. The
// function ingest stores the webhook as an event of a gate, and returns the event's id.
func (f *Flow) TakeHook(ctx context.Context, name string, h http.Header, body []byte, ingest func(service, key, id string) (string, error)) (out Taken, err error) {
	hook, ok := f.o.Hooks[name]
	if !ok {
		return out, fault.New(fault.NotFound, "no hook %q is configured", name)
	}
	id, err := hook.Check(h, body, f.o.Now())
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
	out.Duplicate, err = f.use.Incoming.Once(ctx, "hook "+name, id, func() error {
		if hook.Sync != "" {
			o := syncrun.Start{Trigger: "webhook"}
			if id != "" {
				o.EventID = name + ":" + id // a hook's name has no colon, so two hooks never share one
			}
			run, err := f.use.Syncs.Start(ctx, hook.Sync, o)
			switch fault.CodeOf(err) {
			case "":
				out.RunID = run.ID
			case fault.Conflict: // the run under way may have read before the change: the sender must retry
				return fault.Wrap(fault.Unavailable, err, "the sync is running; send the webhook again")
			default:
				return err
			}
		}
		if hook.EventKey != "" {
			if out.EventID, err = ingest(hook.Service, hook.EventKey, id); err != nil {
				return err
			}
		}
		if hook.Signal {
			return f.Notify(ctx, []live.Key{changed})
		}
		return nil
	})
	return out, err
}

package flow

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/signature"
	"github.com/headgate/headgate/live"
)

// VerifySource checks a webhook of the source of truth and returns its id.
func (f *Flow) VerifySource(r signature.Request) (string, error) {
	hook := f.o.SourceHook
	if hook == nil {
		hook = &incoming.Hook{Name: "echo", Verify: incoming.None}
	}
	w, err := hook.Take(r, f.o.Now())
	if err != nil {
		f.countWebhook(hook.Name, Taken{}, err)
		return "", err
	}
	return w.ID, nil
}

// TakeList stores the list that a webhook of the source of truth has, unless the webhook was
// taken before, and passes it on.
func (f *Flow) TakeList(ctx context.Context, id, webhookID string, data json.RawMessage) (duplicate bool, err error) {
	duplicate, err = f.use.Incoming.Receive(ctx, id, webhookID, data)
	f.countWebhook("echo", Taken{Duplicate: duplicate}, err)
	return duplicate, err
}

// countWebhook counts a webhook by what became of it.
func (f *Flow) countWebhook(hook string, taken Taken, err error) {
	result := "accepted"
	switch code := fault.CodeOf(err); {
	case err != nil && (code == fault.Unavailable || code == fault.Internal):
		result = meter.Failed
	case err != nil:
		result = "refused"
	case taken.Dropped || taken.Challenge != "":
		result = "ignored"
	case taken.Duplicate:
		result = "duplicate"
	}
	f.o.Meter.Add(meter.WebhooksReceived, 1, hook, result)
}

// Taken holds the effects of a webhook at a hook.
type Taken struct {
	Duplicate bool   `json:"duplicate"`
	Dropped   bool   `json:"dropped,omitempty" description:"The hook's condition does not hold for the webhook, so it has no effect."`
	Entity    string `json:"entity,omitempty"`
	ID        string `json:"id,omitempty"`
	RunID     string `json:"runId,omitempty"`
	NotSent   string `json:"notSent,omitempty" description:"Why no live client can get the entity. The rest was done."`
	Waiting   bool   `json:"waiting,omitempty" description:"The run begins when the one that is at work now has ended."`
	EventID   string `json:"eventId,omitempty"`
	// Challenge is the text with which the sender asks to be answered instead.
	Challenge string `json:"-"`
}

// Ingest stores a webhook as an event of a gate, and returns the event's id.
type Ingest func(w *incoming.Webhook, service, key string) (string, error)

// TakeHook verifies a webhook at the hook with this name. Once per id, it does what the
// configuration says: it stores an event, signals an entity, and starts a sync. The log tells
// of webhooks that are refused.
func (f *Flow) TakeHook(ctx context.Context, name string, r signature.Request, ingest Ingest) (out Taken, err error) {
	hook, ok := f.o.Hooks[name]
	if !ok {
		return out, fault.New(fault.NotFound, "no hook %q is configured", name)
	}
	w, err := hook.Take(r, f.o.Now())
	if err == nil {
		out, err = f.takeVerified(ctx, hook, w, ingest)
	}
	if err != nil {
		id := ""
		if w != nil {
			id = w.ID
		}
		f.refusals.tell(ctx, f.o.Log, f.o.Now(), name, id, err)
	}
	f.countWebhook(name, out, err)
	return out, err
}

// takeVerified is TakeHook for a webhook that is verified.
func (f *Flow) takeVerified(ctx context.Context, hook *incoming.Hook, w *incoming.Webhook, ingest Ingest) (out Taken, err error) {
	if out.Challenge = w.Challenge(); out.Challenge != "" {
		return out, nil
	}
	meant, err := w.Meant()
	if err != nil || !meant {
		out.Dropped = err == nil
		return out, err
	}
	if out.Entity, out.ID, err = w.Entity(); err != nil {
		return out, err
	}
	changed := live.KeyOf(out.Entity, out.ID)
	if hook.Signal {
		if err := changed.Validate(); err != nil {
			return out, fault.New(fault.Invalid, "%s", err)
		}
	}
	if hook.Sync != "" { // before anything is stored: the sender may send the refused webhook again and again
		if _, err := f.use.Definitions.Get(ctx, hook.Sync); err != nil {
			return out, err
		}
	}
	out.Duplicate, err = f.use.Incoming.Once(ctx, remembered(hook.Name), w.ID, func(seen []store.Write) (bool, error) {
		return f.act(ctx, hook, w, changed, seen, ingest, &out)
	})
	return out, err
}

// act carries out a webhook. The run of a sync comes last, because it is committed together
// with the webhook's id; what comes before is harmless to repeat. It reports whether seen is
// committed.
func (f *Flow) act(ctx context.Context, hook *incoming.Hook, w *incoming.Webhook, changed live.Key, seen []store.Write, ingest Ingest, out *Taken) (bool, error) {
	var err error
	if hook.EventKey != "" {
		if out.EventID, err = ingest(w, hook.Service, hook.EventKey); err != nil {
			return false, err
		}
	}
	if hook.Signal {
		if out.NotSent = f.Unresolved(ctx, changed); out.NotSent != "" {
			f.refusals.tellNotSent(ctx, f.o.Log, f.o.Now(), hook.Name, out.Entity, out.NotSent)
		}
		if err := f.Notify(ctx, []live.Key{changed}); err != nil {
			if hook.EventKey == "" && hook.Sync == "" {
				return false, err
			} // a signal is a hint, and must not cost the sender's only webhook its run
			f.o.Log.Warn("a hook's signal did not reach every instance: live clients get the change when versions are compared", "hook", hook.Name, "error", err)
		}
	}
	if hook.Sync == "" {
		return false, nil
	}
	o := syncrun.Start{Trigger: "webhook", With: seen}
	if w.ID != "" {
		o.EventID = hook.Name + ":" + w.ID // a hook's name has no colon, so two hooks never share one
	}
	run, waiting, err := f.use.Syncs.Queue(ctx, hook.Sync, o)
	switch {
	case err == nil:
		out.RunID, out.Waiting = run.ID, waiting
		return true, nil
	case fault.CodeOf(err) == fault.Conflict && !errors.Is(err, store.ErrConflict): // no retry would change that
		f.o.Log.Warn("a webhook started no run: the sync is a one-time sync and has finished", "hook", hook.Name, "syncId", hook.Sync)
		return false, nil
	}
	return false, err
}

// remembered returns the name under which the ids of a hook's webhooks are remembered.
func remembered(hook string) string { return "hook " + hook }

// HookUsed reports whether a webhook with an id came to the hook in the last few days.
func (f *Flow) HookUsed(ctx context.Context, hook string) (bool, error) {
	return f.use.Incoming.Used(ctx, remembered(hook))
}

package flow

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

// refusalEvery is the least time between two lines about one hook that refuses for one kind
// of reason: anybody can call a hook, so each call must not be a line.
const refusalEvery = time.Minute

// mostOfReason bounds a reason in the log, in bytes.
const mostOfReason = 500

// refusals log that hooks refuse webhooks. Senders seldom show the answers that they get.
// The zero value is ready.
type refusals struct {
	mu   sync.Mutex
	told map[refusalOf]*refusal
}

// refusalOf has a hook that is configured and one of a few codes, so there are not many.
type refusalOf struct {
	hook string
	code fault.Code
}

type refusal struct {
	at   time.Time
	more int // refused since, without a line
}

// notSent stands for the code where a webhook was taken, and its signal reached nobody.
const notSent fault.Code = "notSent"

// tellNotSent logs that the signals of a hook reach nobody.
func (r *refusals) tellNotSent(ctx context.Context, log *slog.Logger, now time.Time, hook, entity, reason string) {
	if more, due := r.due(refusalOf{hook, notSent}, now); due {
		log.WarnContext(ctx, "a hook signalled an entity that no client can get", "hook", hook, "entity", entity, "reason", reason, "notSentSinceLastLine", more)
	}
}

// due reports whether it is time for a line, and how many had none since the last one.
func (r *refusals) due(of refusalOf, now time.Time) (more int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.told[of]
	if last != nil && now.Sub(last.at).Abs() < refusalEvery {
		last.more++
		return 0, false
	}
	if last != nil {
		more = last.more
	}
	if r.told == nil {
		r.told = make(map[refusalOf]*refusal)
	}
	r.told[of] = &refusal{at: now}
	return more, true
}

// tell logs a refusal, and how many have had no line since the last one. An error that calls
// for a retry is none: it is logged where it is answered. id must be that of a verified
// webhook, or "".
func (r *refusals) tell(ctx context.Context, log *slog.Logger, now time.Time, hook, id string, err error) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code == fault.Internal || f.Code == fault.Unavailable {
		return
	}
	more, due := r.due(refusalOf{hook, f.Code}, now)
	if !due {
		return
	}
	reason := strings.ToValidUTF8(f.Message[:min(len(f.Message), mostOfReason)], "") // without the cause, which may have more than the caller may read
	log.WarnContext(ctx, "a hook refused a webhook", "hook", hook, "reason", reason, "webhookId", id, "refusedSinceLastLine", more)
}

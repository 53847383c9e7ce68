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

// tell logs a refusal, and how many have had no line since the last one. An error that calls
// for a retry is none: it is logged where it is answered. id must be that of a verified
// webhook, or "".
func (r *refusals) tell(ctx context.Context, log *slog.Logger, now time.Time, hook, id string, err error) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code == fault.Internal || f.Code == fault.Unavailable {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	of := refusalOf{hook, f.Code}
	last := r.told[of]
	if last != nil && now.Sub(last.at).Abs() < refusalEvery {
		last.more++
		return
	}
	more := 0
	if last != nil {
		more = last.more
	}
	if r.told == nil {
		r.told = make(map[refusalOf]*refusal)
	}
	r.told[of] = &refusal{at: now}
	reason := strings.ToValidUTF8(f.Message[:min(len(f.Message), mostOfReason)], "") // without the cause, which may have more than the caller may read
	log.WarnContext(ctx, "a hook refused a webhook", "hook", hook, "reason", reason, "webhookId", id, "refusedSinceLastLine", more)
}

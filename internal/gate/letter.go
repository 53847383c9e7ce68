package gate

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

// letterSet names the set in which single events wait for their way to the dead letters. No
// eventKey begins with a slash.
//
// Such an event is stored with a pointer in this set, in one commit, and is durable then.
// After that its claim takes the pointer, so an event becomes one dead letter, whoever makes
// the claim. If an instance dies between the two commits, a later request or a sweep of any
// instance finds the pointer.
const letterSet = "/deadLetter"

func (g *Gate) letters() store.Endpoint {
	return store.Endpoint{Service: g.svc.ServiceName, Key: letterSet}
}

func isLetter(a *store.Append) bool { return a.Endpoint.Key == letterSet }

// letterPlace keeps with an event why it goes to the dead letters, and its correlation key
// unless that is too long to be beside it.
func letterPlace(a admission, now time.Time) *store.Place {
	p := &store.Place{Key: a.letter, At: now}
	if with := a.letter + "\x00" + a.key; len(with) <= store.MaxKeyBytes {
		p.Key = with
	}
	return p
}

// reasonOf returns why an event goes to the dead letters, or "" if it does not.
func reasonOf(a *store.Append) string {
	if !isLetter(a) {
		return ""
	}
	reason, _, _ := strings.Cut(a.Place.Key, "\x00")
	return reason
}

// isDeadLetter reports whether the claim's message goes to the dead letters.
func isDeadLetter(c store.ClaimInfo) bool {
	return c.Window != nil && c.Window.Completion == store.DeadLettered
}

// startLetters returns a run that begins after this call, and makes a dead letter of each
// event that waits for that. The caller is in flight. The run never has an error: the
// events are durable, and a later run finds those that are left.
func (g *Gate) startLetters() *checkRun {
	send := func(callers) checkResult {
		ctx, cancel := g.bounded(storeTimeout)
		defer cancel()
		if err := g.sendLetters(ctx); err != nil {
			g.log.Error("events could not be sent to the dead letters; a later request or sweep retries it", "error", err)
		}
		return checkResult{}
	}
	if g.alone {
		return ended(send(callers{}))
	}
	run := g.sending.do(callers{}, send)
	g.inFlight.Go(func() { <-run.done })
	return run
}

// helpLetters sends what an instance that died has left. It costs a query if there is
// nothing. The caller is in flight.
func (g *Gate) helpLetters(ctx context.Context) {
	if !g.rules.letters {
		return
	}
	select {
	case <-g.startLetters().done:
	case <-ctx.Done():
	}
}

func (g *Gate) sendLetters(ctx context.Context) error {
	for after := (*store.Cursor)(nil); ; {
		page, err := g.store.WaitingUpTo(ctx, g.letters(), time.Time{}, after, sweepPage)
		if err != nil {
			return err
		}
		var eg errgroup.Group
		eg.SetLimit(scopesAtOnce)
		if g.alone {
			eg.SetLimit(1) // in order
		}
		for _, w := range page {
			eg.Go(func() error { return g.sendLetter(ctx, w) })
		}
		if err := eg.Wait(); err != nil || len(page) < sweepPage || g.closing.Load() {
			return err
		}
		last := page[len(page)-1]
		after = &store.Cursor{Date: last.At, ID: last.ID}
	}
}

// sendLetter claims one event, and makes the first attempt to publish it. Later attempts
// are those of any claim.
func (g *Gate) sendLetter(ctx context.Context, w event.Waiting) error {
	found, err := g.events(ctx, []event.Ref{w.Ref})
	if errors.Is(err, store.ErrNotFound) {
		g.log.WarnContext(ctx, "an event expired before it became a dead letter", "id", w.ID, "receivedAt", w.ReceivedAt.Format(time.RFC3339))
		_, err = g.store.DiscardWaiting(ctx, g.letters(), []event.Waiting{w})
	}
	if err != nil || found == nil {
		return err
	}
	ctx, span := g.tracer.Continue(ctx, trace.Parse(found[0].Meta.Traceparent), trace.Internal, "claim dead letter")
	defer span.End(nil)
	r, _ := window.Build([]window.Rule{{Key: found[0].Key, Need: 1, Send: window.All}}, [][]event.Ref{{w.Ref}})
	if err := g.distinguish(ctx, &r); err != nil {
		return err
	}
	reason, key, _ := strings.Cut(w.Key, "\x00")
	now := g.clock()
	c := store.Claim{
		ClaimInfo: store.ClaimInfo{
			ID: claimID(r), Service: g.svc.ServiceName, EventID: r.EventID, TriggerType: g.svc.Trigger.Type,
			Date: now, Owner: event.RandomID(), State: store.Claimed, NumberOfEvents: 1, Size: w.Size,
			Attempts: 1, NextAttempt: now.Add(publishLease(1)), // the lease of the attempt below
			Window: &store.Window{Key: key, Completion: store.DeadLettered, Reason: reason},
		},
		Lists: []event.List{r.Lists[0].List},
	}
	resting := !g.elapsed(&g.busAway, busRest) || !g.elapsed(&g.deadAway, busRest)
	if resting { // the bus failed a moment ago: make no attempt, take no lease, and back off
		c.Attempts, c.NextAttempt, c.LastError = 0, now.Add(busRest), "the bus did not take a message a moment ago"
	}
	err = g.store.Claim(ctx, c, []store.Taken{{Endpoint: g.letters(), Waiting: []event.Waiting{w}}})
	g.countLost(err)
	if errors.Is(err, store.ErrConflict) {
		return nil // another instance was faster
	}
	if err != nil {
		return err
	}
	g.countClaim(c, false)
	g.changed()
	if !resting && !g.alone {
		g.publishNow(span, c, func() {})
	}
	return nil
}

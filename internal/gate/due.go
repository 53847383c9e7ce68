package gate

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// scopesAtOnce bounds the scopes that are looked at concurrently. Each closing waits for a
// commit, so their number decides how many windows with one deadline close in a second. An
// embedded store puts their commits together.
const scopesAtOnce = 32

// Closes reports whether the service's windows have an end, so that CloseDue has work.
func (g *Gate) Closes() bool {
	return g.rules.byKey && g.windowed() && g.rules.shape.Kind != window.Sliding
}

// CloseDue looks at every window whose time may have run out, of all keys, and carries out
// what has become of it. It costs a query per endpoint if none is due. It also evaluates
// expectations whose instant has come, and begins to send alerts that wait.
//
// Punctuality depends on it, correctness does not: a window is closed by its time, whoever
// looks at it first and whenever. Any instance may call it at any time.
func (g *Gate) CloseDue(ctx context.Context) error {
	if !g.enter() {
		return errClosing
	}
	defer g.inFlight.Done()
	if err := g.observe(ctx); err != nil {
		return err
	}
	err := g.closeDue(ctx, func(scope, checkResult) {})
	_, overdue := g.mindAlerts(ctx) // a receiver that does not answer must not delay windows
	return errFirst(err, overdue)
}

// closeDue is CloseDue for callers that are in flight. It reports the check of each scope.
func (g *Gate) closeDue(ctx context.Context, report func(scope, checkResult)) error {
	if !g.Closes() {
		return nil // what leaves a sliding window leaves by itself, and is swept
	}
	return g.eachScope(ctx, whole(g.rules.shape.Due(g.windowTime())), func(ctx context.Context, sc scope) error {
		run := g.startScope(callerIn(ctx), sc, true)
		select {
		case <-run.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		report(sc, run.verdict)
		return run.verdict.err
	})
}

// eachScope calls do once for each scope that has an event whose time is not after the
// instant, several at once, and returns the first error. A scope that fails does not keep
// the others from their turn.
func (g *Gate) eachScope(ctx context.Context, upTo time.Time, do func(context.Context, scope) error) error {
	seen := make(map[scope]bool)
	var eg errgroup.Group
	eg.SetLimit(scopesAtOnce)
	if g.alone {
		eg.SetLimit(1) // in order
	}
	for _, ep := range g.endpoints {
		var after *store.Cursor
		for {
			page, err := g.store.WaitingUpTo(ctx, ep, upTo, after, sweepPage)
			if err != nil {
				return errFirst(eg.Wait(), err)
			}
			for _, w := range page {
				if sc := g.rules.scopeOf(w.Key, w.At); !seen[sc] {
					seen[sc] = true
					eg.Go(func() error { return do(ctx, sc) })
				}
			}
			if len(page) < sweepPage || ctx.Err() != nil || g.closing.Load() {
				break
			}
			last := page[len(page)-1]
			after = &store.Cursor{Date: last.At, ID: last.ID}
		}
	}
	return eg.Wait()
}

func errFirst(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// discardWaitingOver deletes the pointers to events that have left the windows of their
// keys by age or by a reset. The clock must be settled, and a minute must have passed: a
// clock that is ahead would delete events that still count (docs/decisions/010). Until
// then every reader ignores them.
func (g *Gate) discardWaitingOver(ctx context.Context, s *Swept) error {
	if g.rules.shape.Kind != window.Sliding && g.rules.shape.Resets == nil {
		return nil // windows close, and nothing leaves them otherwise
	}
	now := g.windowTime().Add(-clock.Skew)
	due := g.rules.shape.Due(now)
	return g.eachScope(ctx, whole(due), func(ctx context.Context, sc scope) error {
		waiting, mark, _, err := g.waitingOf(ctx, sc, now, false)
		if err != nil || mark != nil { // what a claim in parts takes does not leave its window
			return err
		}
		if g.svc.Trigger.KeepEventAfterTrigger { // such a claim has no mark
			if parts, err := g.store.Gatherings(ctx, g.svc.ServiceName, 1); err != nil || len(parts) > 0 {
				return err
			}
		}
		for _, w := range g.rules.shape.Windows(receivedBy(waiting, now), now) {
			if w.Verdict == window.Complete && g.windowed() {
				// The look that should have released it never ended. Another instance may be at it.
				if _, err := g.settleWindow(ctx, sc.key, foundWindow{Window: w}); err != nil && !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
			if w.Verdict != window.Over {
				continue
			}
			lost, err := g.discardMembers(ctx, sc.key, w.Members)
			g.reportOver(ctx, sc.key, w, lost, s)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// receivedBy returns the events that were received up to an instant. What the windows were then
// is judged without later ones: these may complete a window only together with events that had
// left it when they came.
func receivedBy(waiting [][]event.Waiting, at time.Time) [][]event.Waiting {
	then := make([][]event.Waiting, len(waiting))
	for i, ws := range waiting {
		for _, w := range ws {
			if !w.ReceivedAt.After(at) {
				then[i] = append(then[i], w)
			}
		}
	}
	return then
}

// discardMembers deletes the pointers of a window. lost has, by endpoint, how many of these
// events no message has, also with an error. Those that another sweep deleted are counted
// by that one.
func (g *Gate) discardMembers(ctx context.Context, key string, members [][]event.Waiting) (lost []int, err error) {
	lost = make([]int, len(members))
	for i, ws := range members {
		if len(ws) == 0 {
			continue
		}
		refs := make([]event.Ref, len(ws))
		for n, w := range ws {
			refs[n] = w.Ref
		}
		unsent, err := g.withoutMessage(ctx, key, refs)
		if err != nil {
			return lost, err
		}
		n, err := g.store.DiscardWaiting(ctx, g.endpoints[i], ws)
		if lost[i] = min(n, len(unsent)); n > 0 {
			g.changed()
		}
		if err != nil {
			return lost, err
		}
	}
	return lost, nil
}

// reportOusted counts an event that had left its window, and whose slot an event took before
// a sweep found it.
func (g *Gate) reportOusted(a *store.Append, r store.AppendResult) {
	ref := r.Superseded
	if ref.ID == "" || ref.ID == a.Event.ID || a.Place.Over.IsZero() || ref.ReceivedAt.After(a.Place.Over) {
		return
	}
	lost := make([]int, len(g.endpoints))
	lost[g.byKey[a.Event.Key]] = 1
	rule := g.rules.shape.Rules[g.byKey[a.Event.Key]]
	g.leftUnpublished(lost, &alert.Alert{
		CorrelationKey: a.Place.Key, Endpoints: []alert.Tally{{EventKey: rule.Key, Need: rule.Need, Expired: 1, Oldest: &ref.ReceivedAt}},
	})
	g.startAlerts()
	g.log.Warn("an event left the window without a message", "correlationKey", a.Place.Key, "eventKey", a.Event.Key,
		"receivedAt", ref.ReceivedAt.Format(time.RFC3339))
}

// reportOver says that events left a window without a message, and counts them: lost, by
// endpoint.
func (g *Gate) reportOver(ctx context.Context, key string, w window.Window, lost []int, s *Swept) {
	total := 0
	for _, n := range lost {
		total += n
	}
	if total == 0 {
		return
	}
	g.overs.Lock()
	s.Expired += total
	g.overs.Unlock()
	about := alert.Alert{CorrelationKey: key, Window: timesOf(w.Opened, w.Closes), Endpoints: g.endpointsOf(w.Have), Missing: g.missing(w.Have)}
	for i, ws := range w.Members {
		if about.Endpoints[i].Expired = lost[i]; lost[i] > 0 {
			about.Endpoints[i].Oldest = &ws[0].ReceivedAt
		}
	}
	g.leftUnpublished(lost, &about)
	g.log.WarnContext(ctx, "events left the window without a message", "correlationKey", key, "count", total,
		"have", w.Have, "missing", g.missing(w.Have), "oldest", w.Opened.Format(time.RFC3339))
}

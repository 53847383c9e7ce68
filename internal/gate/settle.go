package gate

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
)

// windowTime returns the instant by which windows are looked at. After a correction of the
// clock it is the earliest time that the clock has shown, so that an event stays in its
// window as long as it was to (docs/decisions/010).
func (g *Gate) windowTime() time.Time {
	p := g.rules.shape.Period
	return whole(g.time.Since(p).Add(p))
}

// windowsOf returns the windows of a scope. It first reads a few events of each endpoint,
// and all of them only if a window is not open. If an event is known to be due, it reads all
// at once, slots too: they may be left from a configuration that had them.
//
// mark is that of a claim in parts which takes events of the scope. Until it is whole, no
// window of the scope is judged.
func (g *Gate) windowsOf(ctx context.Context, sc scope, now time.Time, due bool) (found []window.Window, mark *event.Waiting, err error) {
	few, mark, whole, err := g.waitingOf(ctx, sc, now, !due)
	if err != nil || mark != nil {
		return nil, mark, err
	}
	found = g.rules.shape.Windows(few, now)
	if whole || !slices.ContainsFunc(found, func(w window.Window) bool { return w.Verdict != window.Open }) {
		return found, nil, nil
	}
	all, mark, _, err := g.waitingOf(ctx, sc, now, false)
	if err != nil || mark != nil {
		return nil, mark, err
	}
	return g.rules.shape.Windows(all, now), nil, nil
}

// waitingOf reads the events of a scope, and the mark of a claim in parts if it finds one.
// whole reports that it read all of them.
func (g *Gate) waitingOf(ctx context.Context, sc scope, now time.Time, few bool) (waiting [][]event.Waiting, mark *event.Waiting, whole bool, err error) {
	span := sc.span()
	if g.rules.shape.Kind == window.Sliding && few { // those that have left are the sweep's
		span.From = now.Add(-g.rules.shape.Period + time.Microsecond)
	}
	waiting = make([][]event.Waiting, len(g.endpoints))
	cut, marks := make([]bool, len(g.endpoints)), make([]*event.Waiting, len(g.endpoints))
	eg, ctx := errgroup.WithContext(ctx)
	for i, ep := range g.endpoints {
		eg.Go(func() (err error) {
			limit := 0
			if few {
				limit = g.rules.shape.Rules[i].Need + margin
			}
			waiting[i], err = g.store.WaitingOf(ctx, ep, sc.key, span, !few || g.rules.endpoints[i].distinct != nil, limit)
			cut[i] = limit > 0 && len(waiting[i]) >= limit
			waiting[i], marks[i] = unmarkedWaiting(waiting[i])
			return err
		})
	}
	err = eg.Wait()
	for _, m := range marks {
		if m != nil {
			mark = m
		}
	}
	return waiting, mark, !slices.Contains(cut, true), err
}

// settleWindow carries out what has become of a window. It returns nil if no message was
// released. What is over is left to the sweep, which deletes by a settled clock only.
func (g *Gate) settleWindow(ctx context.Context, key string, w window.Window) (*release, error) {
	if w.Verdict == window.Open || w.Verdict == window.Over || !g.windowed() {
		return nil, nil
	}
	completion := store.Complete
	if w.Verdict == window.Closed {
		switch g.rules.onClose {
		case "partial":
			completion = store.Partial
		case "deadLetter":
			completion = store.DeadLettered
		default:
			completion = store.Expired
		}
	}
	rel, err := g.claimWindow(ctx, key, w, completion)
	if rel != nil && rel.repeated {
		return nil, err // this look released nothing
	}
	if err == nil && completion != store.Complete {
		g.reportIncomplete(ctx, key, w, completion)
	}
	if completion == store.Expired {
		if err == nil {
			g.leftUnpublished(w.Have)
		}
		return nil, err
	}
	return rel, err
}

// claimWindow claims the members of a window of a key.
func (g *Gate) claimWindow(ctx context.Context, key string, w window.Window, completion store.Completion) (*release, error) {
	t := taking{asked: completion == store.Manual, refs: make([][]event.Ref, len(w.Members)), waiting: make(map[string]event.Waiting)}
	for i, members := range w.Members {
		t.refs[i] = make([]event.Ref, len(members))
		for n, m := range members {
			t.refs[i][n] = m.Ref
			t.waiting[m.ID] = m
		}
	}
	t.window = &store.Window{Key: key, Completion: completion, Closes: w.Closes}
	if g.rules.shape.Kind != window.Sliding {
		t.window.Opened = w.Opened
	}
	if completion != store.Complete {
		for _, m := range g.missing(w.Have) {
			t.window.Missing = append(t.window.Missing, store.Shortfall{Key: m.EventKey, Have: m.Have, Need: m.Need})
		}
	}
	return g.claim(ctx, t)
}

// missing returns what the window lacks: the smallest set of endpoints that would complete it.
func (g *Gate) missing(have []int) []window.Shortfall {
	lack := make([]int, len(have))
	for i, r := range g.rules.shape.Rules {
		lack[i] = max(r.Need-have[i], 0)
	}
	sets := g.rules.condition.Missing(lack)
	if len(sets) == 0 {
		return nil
	}
	var short []window.Shortfall
	for _, i := range sets[0] {
		r := g.rules.shape.Rules[i]
		short = append(short, window.Shortfall{EventKey: r.Key, Have: have[i], Need: r.Need})
	}
	return short
}

// reportIncomplete says that a window closed incomplete.
func (g *Gate) reportIncomplete(ctx context.Context, key string, w window.Window, completion store.Completion) {
	g.log.WarnContext(ctx, "a window closed before it was complete", "correlationKey", key, "completion", completion,
		"opened", w.Opened.Format(time.RFC3339), "closed", w.Closes.Format(time.RFC3339), "missing", g.missing(w.Have))
}

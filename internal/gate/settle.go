package gate

import (
	"context"
	"slices"
	"time"

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
// and more only if a window is not open: all of them, slots too, which may be left from a
// configuration that had them. If an event is known to be due, it reads these at once. Of a
// window that is too large for one claim it reads only as much as tells its verdict, where
// that is possible; then it returns this window alone.
//
// mark is that of a claim in parts which takes events of the scope. Until it is whole, no
// window of the scope is judged.
func (g *Gate) windowsOf(ctx context.Context, sc scope, now time.Time, due bool) (found []foundWindow, mark *event.Waiting, err error) {
	if !due {
		few, mark, whole, err := g.waitingOf(ctx, sc, now, true)
		if err != nil || mark != nil {
			return nil, mark, err
		}
		found := g.rules.shape.Windows(few, now)
		if whole || !slices.ContainsFunc(found, func(w window.Window) bool { return w.Verdict != window.Open }) {
			return foundAll(found), nil, nil
		}
	}
	first, cut, mark, err := g.readScope(ctx, sc.key, sc.span(), true, g.enoughToJudge)
	if err != nil || mark != nil {
		return nil, mark, err
	}
	if slices.Contains(cut, true) && g.rules.shape.Bounded(first, now) {
		// The window may be larger than one claim: nothing is looked at behind it.
		return foundLarge(g.rules.shape.Windows(first, now), first, cut), nil, nil
	}
	if slices.Contains(cut, true) {
		if first, _, mark, err = g.readScope(ctx, sc.key, sc.span(), true, noLimit); err != nil || mark != nil {
			return nil, mark, err
		}
	}
	return foundAll(g.rules.shape.Windows(first, now)), nil, nil
}

// foundWindow is a window of a scope. more says of each endpoint that it has more members
// than were read; nil: none has.
type foundWindow struct {
	window.Window
	more []bool
}

func foundAll(windows []window.Window) []foundWindow {
	all := make([]foundWindow, len(windows))
	for i, w := range windows {
		all[i].Window = w
	}
	return all
}

// foundLarge returns the first of the windows, which were found from the first events of
// endpoints that have more.
func foundLarge(windows []window.Window, first [][]event.Waiting, cut []bool) []foundWindow {
	if len(windows) == 0 {
		return nil
	}
	w := foundWindow{windows[0], make([]bool, len(cut))}
	for i, members := range w.Members {
		n := len(first[i])
		w.more[i] = cut[i] && len(members) > 0 && members[len(members)-1].ID == first[i][n-1].ID
	}
	return []foundWindow{w}
}

// enoughToJudge returns the number of an endpoint's pointers that show that a window is too
// large for one claim, and that suffice to judge it.
func (g *Gate) enoughToJudge(endpoint int) int {
	return max(g.store.MaxClaim()+2, g.rules.shape.Rules[endpoint].Need+1)
}

func noLimit(int) int { return 0 }

// waitingOf reads the events of a scope, and the mark of a claim in parts if it finds one.
// whole reports that it read all of them.
func (g *Gate) waitingOf(ctx context.Context, sc scope, now time.Time, few bool) (waiting [][]event.Waiting, mark *event.Waiting, whole bool, err error) {
	span, limit := sc.span(), noLimit
	if few {
		span, limit = g.fewSpan(sc, now), g.fewMost
	}
	waiting, cut, mark, err := g.readScope(ctx, sc.key, span, !few, limit)
	return waiting, mark, !slices.Contains(cut, true), err
}

// fewSpan and fewMost bound the first look at a scope. It leaves what has left a sliding window
// to the sweep.
func (g *Gate) fewSpan(sc scope, now time.Time) store.Span {
	span := sc.span()
	if g.rules.shape.Kind == window.Sliding {
		span.From = now.Add(-g.rules.shape.Period + time.Microsecond)
	}
	return span
}

func (g *Gate) fewMost(endpoint int) int { return g.rules.shape.Rules[endpoint].Need + margin }

// readScope reads the first pointers of each endpoint in the span, at most limit(endpoint) or
// (0) all. cut[i] reports that an endpoint may have more.
func (g *Gate) readScope(
	ctx context.Context, key string, span store.Span, slots bool, limit func(endpoint int) int,
) (waiting [][]event.Waiting, cut []bool, mark *event.Waiting, err error) {
	waiting = make([][]event.Waiting, len(g.endpoints))
	cut, marks := make([]bool, len(g.endpoints)), make([]*event.Waiting, len(g.endpoints))
	read := func(ctx context.Context, i int) (err error) {
		most := limit(i)
		waiting[i], err = g.store.WaitingOf(ctx, g.endpoints[i], key, span, slots || g.rules.endpoints[i].distinct != nil, most)
		cut[i] = most > 0 && len(waiting[i]) >= most
		waiting[i], marks[i] = unmarkedWaiting(waiting[i])
		return err
	}
	eg, reading := g.group(ctx)
	last := len(g.endpoints) - 1
	for i := range last {
		eg.Go(func() error { return read(reading, i) })
	}
	err = errFirst(read(ctx, last), eg.Wait()) // a goroutine of its own would cost more than an embedded store's read
	for _, m := range marks {
		if m != nil {
			mark = m
		}
	}
	return waiting, cut, mark, err
}

// settleWindow carries out what has become of a window. It returns nil if no message was
// released. What is over is left to the sweep, which deletes by a settled clock only.
func (g *Gate) settleWindow(ctx context.Context, key string, w foundWindow) (*release, error) {
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
		g.reportIncomplete(ctx, key, w.Window, completion, rel)
	}
	if completion == store.Expired {
		if err == nil && !g.large(w.Have) { // a large one is counted when it is taken whole
			g.leftUnpublished(w.Have, nil) // the window has its alert
		}
		return nil, err
	}
	return rel, err
}

// large reports whether a window with that many events is claimed in parts.
func (g *Gate) large(have []int) bool {
	total := 0
	for _, n := range have {
		total += n
	}
	return total > g.store.MaxClaim()
}

// claimWindow claims the members of a window of a key.
func (g *Gate) claimWindow(ctx context.Context, key string, w foundWindow, completion store.Completion) (*release, error) {
	t := taking{
		refs: make([][]event.Ref, len(w.Members)), waiting: make(map[string]event.Waiting), more: w.more, until: w.Until,
		asked: completion == store.Manual,
		ended: w.Verdict == window.Closed || !w.Closes.IsZero() && !g.windowTime().Before(w.Closes),
	}
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
	if w.Verdict == window.Closed && completion != store.Complete && g.tells(ctx) {
		t.have = w.Have
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

// reportIncomplete says that a window closed incomplete, and names its message, if that is
// known: one that is taken in parts gets its eventID with the last of them.
func (g *Gate) reportIncomplete(ctx context.Context, key string, w window.Window, completion store.Completion, rel *release) {
	attrs := []any{
		"correlationKey", key, "completion", completion,
		"opened", w.Opened.Format(time.RFC3339), "closed", w.Closes.Format(time.RFC3339), "missing", g.missing(w.Have),
	}
	if rel != nil && !rel.inParts {
		attrs = append(attrs, "eventID", rel.EventID)
	}
	g.log.WarnContext(ctx, "a window closed before it was complete", attrs...)
}

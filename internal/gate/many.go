package gate

import (
	"context"
	"slices"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
)

// lookAtMany checks the scopes of the units' events, which are stored, and answers the units.
// It first looks at all scopes by one read. Most events complete nothing, and then that is their
// check. The other scopes are checked each by itself.
func (g *Gate) lookAtMany(units []*unit, sent []*checkRun) {
	of := make([][]scope, len(units))
	index := make(map[scope]int)
	var scopes []scope
	for i, u := range units {
		of[i] = g.scopesOf(u)
		for _, sc := range of[i] {
			if _, ok := index[sc]; !ok {
				index[sc] = len(scopes)
				scopes = append(scopes, sc)
			}
		}
	}
	g.inFlight.Add(1) // the units may be answered before the checks begin
	g.spawn(func() {  // the leader must be free for the next commit
		defer g.inFlight.Done()
		looks := g.lookAll(scopes)
		var quiet []*unit // nothing becomes of their windows
		for i, u := range units {
			var runs []*checkRun
			for _, sc := range of[i] {
				l := &looks[index[sc]]
				if l.quiet {
					continue
				}
				if l.run == nil {
					l.run = g.startScopeFrom(callersOf(u), sc, false, l.found)
				}
				runs = append(runs, l.run)
			}
			if runs = append(runs, sent...); len(runs) > 0 {
				g.answerAfter([]*unit{u}, runs...)
			} else {
				quiet = append(quiet, u)
			}
		}
		g.answer(quiet, checkResult{})
	})
}

// firstLook is the result of a first look at a scope.
type firstLook struct {
	quiet bool          // all windows are open
	found []foundWindow // all windows; nil: they must be read again
	run   *checkRun     // the check of the scope, once it has begun
}

// lookAll looks at the scopes, as the first look of windowsOf does. If it fails, the checks
// that follow read again, and report the error.
func (g *Gate) lookAll(scopes []scope) []firstLook {
	ctx, cancel := g.bounded(storeTimeout)
	defer cancel()
	began := g.time.Ran()
	all, n := make([]firstLook, len(scopes)), len(g.endpoints)
	now := g.windowTime()
	looks := make([]store.Look, 0, len(scopes)*n)
	for _, sc := range scopes {
		span := g.fewSpan(sc, now)
		for i, ep := range g.endpoints {
			looks = append(looks, store.Look{Endpoint: ep, Key: sc.key, In: span, Slots: g.rules.endpoints[i].distinct != nil, Limit: g.fewMost(i)})
		}
	}
	waiting, err := g.many.WaitingOfMany(ctx, looks)
	g.meter.Took(meter.CheckDuration, g.time.Ran()-began, g.svc.ServiceName, meter.Outcome(err))
	if err != nil {
		g.log.WarnContext(context.WithoutCancel(ctx), "the windows of several keys could not be read at once; each is read by itself", "error", err)
		return all
	}
	for i := range all {
		all[i] = g.firstLookAt(waiting[i*n:(i+1)*n], looks[i*n:(i+1)*n])
	}
	return all
}

// firstLookAt tells from the first events of a scope's endpoints whether all its windows are
// open.
func (g *Gate) firstLookAt(waiting [][]event.Waiting, looks []store.Look) (l firstLook) {
	whole := true
	for i, ws := range waiting {
		whole = whole && len(ws) < looks[i].Limit
		rest, mark := unmarkedWaiting(ws)
		if mark != nil { // a claim in parts takes events of the scope
			return firstLook{}
		}
		waiting[i] = rest
	}
	windows := g.rules.shape.Windows(waiting, g.windowTime())
	l.quiet = !slices.ContainsFunc(windows, func(w window.Window) bool { return w.Verdict != window.Open })
	if whole && !l.quiet {
		l.found = foundAll(windows)
	}
	return l
}

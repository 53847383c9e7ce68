package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
)

// scope names the events that are looked at together: those of a correlation key, and of a
// service with tumbling windows those of one interval of it.
type scope struct {
	key      string
	from, to int64 // Unix microseconds; both 0: all of the key
}

func (sc scope) span() store.Span {
	if sc.from == 0 && sc.to == 0 {
		return store.Span{}
	}
	return store.Span{From: time.UnixMicro(sc.from).UTC(), To: time.UnixMicro(sc.to).UTC()}
}

// scopeOf returns the scope of an event that waits under the key with that time.
func (r *rules) scopeOf(key string, at time.Time) scope {
	if r.shape.Kind != window.Tumbling {
		return scope{key: key}
	}
	start, end := r.shape.Interval(at)
	return scope{key, start.UnixMicro(), end.UnixMicro()}
}

// scopeChecks shares the checks of a scope between callers, as coalescer does. A scope
// takes memory only while it is checked.
type scopeChecks struct {
	mu     sync.Mutex
	checks map[scope]*coalescer
}

// do returns a check of the scope that begins after this call, or that begins with what the
// caller has read.
func (s *scopeChecks) do(by callers, sc scope, check func(by callers, read []foundWindow) checkResult, read []foundWindow) *checkRun {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.checks[sc]
	if c == nil {
		if s.checks == nil {
			s.checks = make(map[scope]*coalescer)
		}
		c = new(coalescer)
		c.idle = func() { s.forget(sc, c) }
		s.checks[sc] = c
	}
	return c.doFrom(by, check, read)
}

// forget drops the scope, unless another check was queued since.
func (s *scopeChecks) forget(sc scope, c *coalescer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running && s.checks[sc] == c {
		delete(s.checks, sc)
	}
}

// startScope returns a check of the scope that begins after this call. Its context is its
// own, because it serves many callers. The caller is in flight. The check is in flight too,
// so that Close waits for it even if every caller leaves. due says that an event of the
// scope is known to be due.
func (g *Gate) startScope(by callers, sc scope, due bool) *checkRun {
	return g.startScopeFrom(by, sc, due, nil)
}

// startScopeFrom is startScope for a caller that has just read all windows of the scope. nil:
// it has not.
func (g *Gate) startScopeFrom(by callers, sc scope, due bool, read []foundWindow) *checkRun {
	if g.alone {
		return ended(g.checkScope(context.Background(), sc, due, read))
	}
	run := g.scopes.do(by, sc, func(by callers, read []foundWindow) checkResult {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		ctx, span := by.check(ctx, g)
		result := g.checkScope(ctx, sc, due, read)
		span.End(result.err)
		return result
	}, read)
	g.inFlight.Go(func() {
		<-run.done
		run.verdict.wait()
	})
	return run
}

// startChecks starts a check of each scope that the unit's events are in.
func (g *Gate) startChecks(u *unit) []*checkRun {
	var runs []*checkRun
	for _, sc := range g.scopesOf(u) {
		runs = append(runs, g.startScope(callersOf(u), sc, false))
	}
	return runs
}

// scopesOf returns the scopes that the unit's events are in, each once.
func (g *Gate) scopesOf(u *unit) []scope {
	var all []scope
	seen := make(map[scope]bool)
	for i := range u.appends {
		if isLetter(&u.appends[i]) {
			continue
		}
		p := u.appends[i].Place
		if sc := g.rules.scopeOf(p.Key, p.At); !seen[sc] {
			seen[sc] = true
			all = append(all, sc)
		}
	}
	return all
}

// slotsMove reports whether an event may take the place of one whose window has closed,
// and that nobody has looked at yet.
func (r *rules) slotsMove() bool {
	return (r.shape.Kind == window.Anchored || r.shape.Kind == window.Session) &&
		slices.ContainsFunc(r.endpoints, func(e endpointRules) bool { return e.distinct != nil })
}

// closeBefore closes what is due in the scopes of a request's events before these are
// stored. Otherwise an event could take the place of one that belongs to a closed window. It
// also waits until a claim in parts has all its members.
func (g *Gate) closeBefore(ctx context.Context, u *unit) error {
	scopes := g.scopesOf(u)
	for i, run := range g.startChecks(u) {
		for {
			select {
			case <-run.done:
			case <-ctx.Done():
				return unavailable(ctx.Err(), "the window could not be checked in time")
			}
			if run.verdict.err != nil {
				return unavailable(run.verdict.err, "the window could not be checked")
			}
			if len(run.verdict.gathering) == 0 {
				break
			}
			for _, id := range run.verdict.gathering {
				if err := g.finish(ctx, id); err != nil {
					return unavailable(err, "the window could not be claimed in time")
				}
			}
			run = g.startScope(callersOf(u), scopes[i], false)
		}
	}
	return nil
}

// checkScope looks at the windows of a scope, and carries out what has become of them. A
// conflict means that another instance was first: then it looks again. due says that an
// event of the scope is known to be due: then all events are read at once. read has all windows
// as the caller has read them; nil: it has not. They may be older than the last claim, like
// those of another instance: then it is a conflict.
func (g *Gate) checkScope(ctx context.Context, sc scope, due bool, read []foundWindow) (all checkResult) {
	defer g.measure(meter.CheckDuration, g.time.Ran(), &all.err)
	for attempt := 0; ; attempt++ {
		again := false
		found, mark, err := read, (*event.Waiting)(nil), error(nil)
		if read = nil; found == nil {
			found, mark, err = g.windowsOf(ctx, sc, g.windowTime(), due)
		}
		if mark != nil && err == nil {
			all.gathering = append(all.gathering, mark.ID)
			err = g.help(ctx, mark.ID)
		}
		for _, w := range found {
			if err != nil {
				break
			}
			var rel *release
			if rel, err = g.settleWindow(ctx, sc.key, w); rel != nil {
				all.complete, all.released = true, slices.Insert(all.released, 0, rel)
			}
			if id := g.gathers.of(sc); id != "" { // the scope's next windows wait for this one
				all.gathering = append(all.gathering, id)
				break
			}
			// What is behind a window that was found alone is looked at next.
			again = err == nil && w.more != nil && g.windowed() && !g.rules.shape.Kept && (w.Verdict == window.Complete || w.Verdict == window.Closed)
		}
		if again {
			continue
		}
		if by, ok := errors.AsType[*gatheringError](err); ok {
			all.gathering = append(all.gathering, by.id)
			err = g.help(ctx, by.id)
		}
		if !errors.Is(err, store.ErrConflict) {
			if all.err = err; err == nil {
				g.setTimers(ctx, sc.key, found)
			}
			return all
		}
		if all.err = pause(ctx, attempt); all.err != nil {
			return all
		}
	}
}

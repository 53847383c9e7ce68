package gate

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
)

// measureIngest measures a request of events. Those that were stored or refused are counted
// where that happens.
func (g *Gate) measureIngest(took time.Duration, in []Incoming, err error) {
	if g.meter == nil {
		return
	}
	g.meter.Took(meter.IngestDuration, took, g.svc.ServiceName, meter.Outcome(err))
	for i := range in {
		if _, ok := g.byKey[in[i].EventKey]; err != nil && ok { // the names of what is not configured are endless
			g.meter.Add(meter.Events, 1, g.svc.ServiceName, in[i].EventKey, meter.Failed)
		}
	}
}

// measure measures what began then, and ended with *err.
func (g *Gate) measure(what *meter.Metric, began time.Duration, err *error) {
	g.meter.Took(what, g.time.Ran()-began, g.svc.ServiceName, meter.Outcome(*err))
}

// countClaim counts a window that this instance has released. asked says that a person did.
func (g *Gate) countClaim(c store.Claim, asked bool) {
	completion := store.Complete
	switch {
	case c.Window != nil:
		completion = c.Window.Completion
	case asked:
		completion = store.Manual
	}
	g.meter.Add(meter.Messages, 1, g.svc.ServiceName, string(completion))
	g.countAlerts(c.Docs)
}

// countAlerts counts the alerts that a commit has created.
func (g *Gate) countAlerts(committed []store.Write) {
	if g.meter == nil {
		return
	}
	for _, w := range committed {
		if kind := alert.KindOf(w); kind != "" {
			g.meter.Add(meter.Alerts, 1, g.svc.ServiceName, string(kind))
		}
	}
}

// countLost counts a claim that another instance made first.
func (g *Gate) countLost(err error) {
	if errors.Is(err, store.ErrConflict) {
		g.meter.Add(meter.ClaimsLost, 1, g.svc.ServiceName)
	}
}

// gaugedMost bounds the events of an endpoint of which the gauges find the windows.
const gaugedMost = 1000

// For gaugedKept, times the hundreds of events that were read for them, the gauges of windows by key
// are used again: a store that bills each read would otherwise make frequent scrapes dear.
const gaugedKept = 10 * time.Second

// gaugedSets are the gauges of the windows by key, as they were read last.
type gaugedSets struct {
	mu      sync.Mutex
	until   time.Duration // by time.Ran: they are used before that
	have    []int
	windows int
	oldest  time.Time
}

// Gauges reads the gauges of the service: see [meter.Gauges]. Where windows are set apart by
// key, it reads up to gaugedMost events of each endpoint for the number of windows, and after
// many of them not again for a while.
func (g *Gate) Gauges(ctx context.Context, want func(*meter.Metric) bool, set meter.Set) error {
	var eg errgroup.Group
	if want(meter.Backlog) {
		eg.Go(func() error { return g.gaugeBacklog(ctx, set) })
	}
	if want(meter.WindowsOpen) {
		eg.Go(func() error { return g.gaugeWindows(ctx, set) })
	}
	return eg.Wait()
}

func (g *Gate) gaugeBacklog(ctx context.Context, set meter.Set) error {
	n, oldest, err := g.store.Backlog(ctx, g.svc.ServiceName)
	if err != nil {
		return err
	}
	set(meter.Backlog, float64(n), g.svc.ServiceName)
	set(meter.BacklogAge, g.age(oldest), g.svc.ServiceName)
	return nil
}

// age returns the seconds since then; 0 for the zero time.
func (g *Gate) age(then time.Time) float64 {
	if then.IsZero() {
		return 0
	}
	return max(0, g.clock().Sub(then).Seconds())
}

func (g *Gate) gaugeWindows(ctx context.Context, set meter.Set) error {
	read := g.plainSets
	if g.rules.byKey {
		read = g.keptSets
	}
	have, windows, oldest, err := read(ctx)
	if err != nil {
		return err
	}
	for i, r := range g.rules.shape.Rules {
		set(meter.Have, float64(have[i]), g.svc.ServiceName, r.Key)
		set(meter.Need, float64(r.Need), g.svc.ServiceName, r.Key)
	}
	set(meter.WindowsOpen, float64(windows), g.svc.ServiceName)
	set(meter.WindowOldest, g.age(oldest), g.svc.ServiceName)
	return nil
}

// plainSets returns what waits in the one window of a service without rules about keys.
func (g *Gate) plainSets(ctx context.Context) (have []int, windows int, oldest time.Time, err error) {
	have = make([]int, len(g.endpoints))
	for i, ep := range g.endpoints {
		sum, err := g.store.Summarize(ctx, ep, g.since())
		if err != nil {
			return nil, 0, oldest, err
		}
		if have[i] = sum.Count; sum.Count > 0 {
			windows, oldest = 1, earlier(oldest, sum.First)
		}
	}
	return have, windows, oldest, nil
}

// keptSets returns what waits under all keys, or waited when it was read last.
func (g *Gate) keptSets(ctx context.Context) (have []int, windows int, oldest time.Time, err error) {
	k := &g.gauged
	k.mu.Lock()
	defer k.mu.Unlock()
	if g.time.Ran() >= k.until {
		var read int
		if k.have, k.windows, k.oldest, read, err = g.keySets(ctx); err != nil {
			return nil, 0, oldest, err
		}
		k.until = g.time.Ran() + time.Duration(read/100)*gaugedKept
	}
	return k.have, k.windows, k.oldest, nil
}

// keySets returns what waits under all keys, and how many events it has read.
func (g *Gate) keySets(ctx context.Context) (have []int, windows int, oldest time.Time, read int, err error) {
	have = make([]int, len(g.endpoints))
	scopes := make(map[scope]bool)
	for i, ep := range g.endpoints {
		var page []event.Waiting
		if page, err = g.store.WaitingUpTo(ctx, ep, time.Time{}, nil, gaugedMost); err != nil {
			return nil, 0, oldest, read, err
		}
		read += len(page)
		full := len(page) == gaugedMost
		page, _ = unmarkedWaiting(page)
		if have[i] = len(page); full {
			if have[i], err = g.store.CountWaiting(ctx, ep, countedMost); err != nil {
				return nil, 0, oldest, read, err
			}
		}
		for _, w := range page {
			scopes[g.rules.scopeOf(w.Key, w.At)] = true
			oldest = earlier(oldest, w.ReceivedAt)
		}
	}
	return have, min(len(scopes), gaugedMost), oldest, read, nil
}

// earlier returns the earlier of two times, of which the zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

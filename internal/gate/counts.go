package gate

import (
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
)

// Counts are the events of an endpoint or a feed that are in no window, and why. They are
// those of this instance since it started: an event must not cost a write more for them.
type Counts struct {
	Duplicate    int // stored before under the same name
	Filtered     int // the filter was false
	Superseded   int // another event with the same distinct value counts
	Dropped      int // a policy dropped them
	DeadLettered int // a policy sent them to the dead letters
	Refused      int // an expression refused them
}

// FeedStatus has the events of a feed that no route took.
type FeedStatus struct {
	Name   string
	Counts Counts
}

// tally keeps the counts by eventKey, and by path of a feed.
type tally struct {
	mu sync.Mutex
	by map[string]*Counts
}

func (t *tally) add(key string, to func(*Counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[string]*Counts)
	}
	if t.by[key] == nil {
		t.by[key] = new(Counts)
	}
	to(t.by[key])
}

func (t *tally) of(key string) Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.by[key]; c != nil {
		return *c
	}
	return Counts{}
}

// countReceipts counts the events that were acknowledged or refused.
func (g *Gate) countReceipts(receipts []Receipt) {
	for _, rc := range receipts {
		result := ""
		switch {
		case rc.Err != nil:
			g.tally.add(rc.EventKey, func(c *Counts) { c.Refused++ })
			result = meter.EventRefused
		case rc.Left == Filtered:
			g.tally.add(rc.EventKey, func(c *Counts) { c.Filtered++ })
			result = meter.EventFiltered
		case rc.Left != "":
			g.tally.add(rc.EventKey, func(c *Counts) { c.Dropped++ })
			result = meter.EventDropped
		case rc.Duplicate:
			g.tally.add(rc.EventKey, func(c *Counts) { c.Duplicate++ })
			result = meter.EventDuplicate
		default: // stored, which countStored counts
			continue
		}
		g.meter.Add(meter.Events, 1, g.svc.ServiceName, rc.EventKey, result)
	}
}

// countStored counts an event that was stored, and the one that it superseded. It is called
// once per event, whether or not its source still waits.
func (g *Gate) countStored(a *store.Append, r store.AppendResult) {
	lost := r.Superseded
	switch {
	case r.Duplicate:
		return
	case isLetter(a):
		g.tally.add(a.Event.Key, func(c *Counts) { c.DeadLettered++ })
		g.meter.Add(meter.Events, 1, g.svc.ServiceName, a.Event.Key, meter.EventDeadLetter)
		return
	case lost.ID != "" && (a.Place.Over.IsZero() || lost.ReceivedAt.After(a.Place.Over) || lost.ID == a.Event.ID):
		g.tally.add(a.Event.Key, func(c *Counts) { c.Superseded++ })
		g.meter.Add(meter.EventsSuperseded, 1, g.svc.ServiceName, a.Event.Key)
	}
	g.meter.Add(meter.Events, 1, g.svc.ServiceName, a.Event.Key, meter.EventStored)
}

// countingSince returns the time at which this instance began to count.
func (g *Gate) countingSince() time.Time { return g.clock().Add(g.counting - g.time.Ran()) }

// counted adds the counts to a status.
func (g *Gate) counted(s *Status) {
	s.CountedSince = g.countingSince()
	for i := range s.Endpoints {
		s.Endpoints[i].Counts = g.tally.of(s.Endpoints[i].EventKey)
	}
	for _, f := range g.svc.Feeds {
		s.Feeds = append(s.Feeds, FeedStatus{f.Name, g.tally.of(g.rules.feeds[f.Name].path())})
	}
}

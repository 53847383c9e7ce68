package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/store"
)

// expiredDocs has one document per service: how many events of each endpoint left the
// window without a message. Only a sweep that found some writes it, so that an event costs
// nothing more, and the count survives a restart.
var expiredDocs = store.Collection{Kind: "state", Scope: "expired"}

type expiredDoc struct {
	ServiceName string         `json:"serviceName"`
	Endpoints   map[string]int `json:"endpoints"` // by eventKey
}

// lapse describes the events of an endpoint that a sweep found to have left the window
// without a message.
type lapse struct {
	count  int
	oldest time.Time // receivedAt of the oldest; zero if count is 0
}

func (l *lapse) add(n int, ps []store.Pointer) {
	if n == 0 {
		return
	}
	l.count += n
	for _, p := range ps {
		if l.oldest.IsZero() || p.ReceivedAt.Before(l.oldest) {
			l.oldest = p.ReceivedAt
		}
	}
}

// tellExpired logs a line for each endpoint whose events left the window without a message,
// and adds them to the service's count. The last lapse is of single events that waited for dead
// letters. It does not fail: the events are gone already.
func (g *Gate) tellExpired(ctx context.Context, lapses []lapse) {
	g.expiring.Lock()
	defer g.expiring.Unlock()
	for i, l := range lapses {
		if l.count == 0 {
			continue
		}
		if i == len(g.endpoints) {
			g.meter.Add(meter.EventsExpired, l.count, g.svc.ServiceName, letterSet)
			g.log.WarnContext(ctx, "events left without a dead letter, which the service no longer has", "count", l.count, "oldest", l.oldest.Format(time.RFC3339Nano))
			g.lapsed(ctx, alert.Alert{Endpoints: []alert.Tally{{EventKey: letterSet, Expired: l.count, Oldest: &l.oldest}}})
			continue
		}
		r := g.rules.shape.Rules[i]
		attrs := []any{"eventKey", r.Key, "need", r.Need, "count", l.count, "oldest", l.oldest.Format(time.RFC3339Nano)}
		have, err := g.store.Count(ctx, g.endpoints[i], g.since(), r.Need)
		if err == nil {
			attrs = append(attrs, "have", have)
		}
		g.log.WarnContext(ctx, "events left the window without a message", attrs...)
		g.addExpired(i, l.count)
		g.lapsed(ctx, alert.Alert{Endpoints: []alert.Tally{{EventKey: r.Key, Have: have, Need: r.Need, Expired: l.count, Oldest: &l.oldest}}})
	}
	g.storeExpired(ctx)
}

// storeExpired adds what was not counted yet to the service's count. The caller holds
// g.expiring.
func (g *Gate) storeExpired(ctx context.Context) {
	for g.docs != nil && len(g.uncounted)+len(g.untold) > 0 {
		n := min(len(g.untold), untoldAtOnce)
		if err := g.countExpired(ctx, g.untold[:n]); err != nil {
			g.log.WarnContext(ctx, "the count of events that left the window could not be stored: the next sweep tries again", "error", err)
			return
		}
		clear(g.uncounted)
		g.outbox.Committed(g.untold[:n])
		g.countAlerts(g.untold[:n])
		if g.untold = g.untold[n:]; n > 0 {
			g.alerts.next.Store(int64(never)) // the next look sends them
		}
	}
}

// untoldAtOnce is the number of alerts that share a commit.
const untoldAtOnce = 40

// addExpired adds to what is not counted yet. The caller holds g.expiring.
func (g *Gate) addExpired(endpoint, n int) {
	if g.uncounted == nil {
		g.uncounted = make(map[string]int)
	}
	g.uncounted[g.endpoints[endpoint].Key] += n
	g.meter.Add(meter.EventsExpired, n, g.svc.ServiceName, g.endpoints[endpoint].Key)
}

// leftUnpublished adds the events of a window that nobody gets, by endpoint, and the alert
// about them unless it is nil. The next sweep stores the count, and the next look for
// alerts does if there is one.
func (g *Gate) leftUnpublished(lost []int, about *alert.Alert) {
	g.expiring.Lock()
	defer g.expiring.Unlock()
	if about != nil {
		g.lapsed(context.Background(), *about)
	}
	for i, n := range lost {
		if n > 0 {
			g.addExpired(i, n)
		}
	}
}

// countExpired adds what was not counted yet to the service's document, and creates the
// alerts about it. Two instances that count at once both succeed, one after the other.
func (g *Gate) countExpired(ctx context.Context, alerts []store.Write) error {
	for attempt := 0; ; attempt++ {
		d, rev, err := g.readExpired(ctx)
		if err != nil {
			return err
		}
		for key, n := range g.uncounted {
			d.Endpoints[key] += n
		}
		body, err := json.Marshal(d)
		if err != nil {
			return err
		}
		count := store.Write{Collection: expiredDocs, Doc: store.Doc{ID: g.expiredID(), Body: body, Rev: rev}}
		_, err = g.docs.Commit(ctx, append([]store.Write{count}, alerts...))
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// expiredID returns the id of the service's document. A service's name may be longer than
// an id.
func (g *Gate) expiredID() string { return event.DeriveID("expired", g.svc.ServiceName, "") }

func (g *Gate) readExpired(ctx context.Context) (d expiredDoc, rev string, err error) {
	d = expiredDoc{ServiceName: g.svc.ServiceName, Endpoints: map[string]int{}}
	docs, err := g.docs.Get(ctx, expiredDocs, []string{g.expiredID()})
	if err != nil || docs[0] == nil {
		return d, "", err
	}
	if err := json.Unmarshal(docs[0].Body, &d); err != nil {
		return d, "", fmt.Errorf("read the count of events that left the window: %w", err)
	}
	if d.Endpoints == nil {
		d.Endpoints = map[string]int{}
	}
	return d, docs[0].Rev, nil
}

// unswept returns how many events of the endpoint left the window without a message and
// were not counted by a sweep yet. in is the number of events in the window.
func (g *Gate) unswept(ctx context.Context, ep store.Endpoint, since time.Time, in int) (int, error) {
	const page = 100
	over, err := g.store.Stale(ctx, ep, since, page)
	if err != nil || len(over) == 0 {
		return 0, err
	}
	lost, err := g.withoutMessage(ctx, "", over)
	if err != nil || len(over) < page || g.svc.Trigger.KeepEventAfterTrigger {
		return len(lost), err
	}
	all, err := g.store.Count(ctx, ep, time.Time{}, 0)
	return max(len(lost), all-in), err
}

// withoutMessage returns those of the events that were in no message, of events that have
// left the window. A claim deletes the pointers to its events, so normally all of them. With
// keepEventAfterTrigger it does not: but it has every event of the window, so an event was
// in a message if a claim of its correlation key was made within its period.
//
// Each query decides about at least the latest event that is left, and normally about all:
// events that a sweep finds have left at about the same time. It reads one claim of the key,
// however many the key or the service has.
func (g *Gate) withoutMessage(ctx context.Context, key string, over []store.Pointer) ([]store.Pointer, error) {
	if !g.svc.Trigger.KeepEventAfterTrigger || len(over) == 0 {
		return over, nil
	}
	period := g.svc.Trigger.Period()
	rest := slices.SortedFunc(slices.Values(over), store.Pointer.Compare)
	upTo := func(t time.Time) int { // how many events were received until then
		n, _ := slices.BinarySearchFunc(rest, t, func(p store.Pointer, t time.Time) int {
			if p.ReceivedAt.After(t) {
				return 1
			}
			return -1
		})
		return n
	}
	var lost []store.Pointer
	for len(rest) > 0 {
		claimed, err := g.lastClaim(ctx, key, rest[0].ReceivedAt, rest[len(rest)-1].ReceivedAt.Add(period))
		if err != nil {
			return nil, err
		}
		n := upTo(claimed)
		lost = append(lost, rest[n:]...)
		rest = rest[:upTo(claimed.Add(-period-time.Microsecond))] // the others were in this message
	}
	return lost, nil
}

// lastClaim returns the date of the key's last claim from the instant first on, up to last;
// zero: there is none. A claim from the plain sets has the key "".
func (g *Gate) lastClaim(ctx context.Context, key string, first, last time.Time) (time.Time, error) {
	page := store.Page{Limit: 1, After: &store.Cursor{Date: last.Add(time.Microsecond)}}
	if g.correlated() {
		page.Key = &key
	}
	for {
		infos, err := g.store.Claims(ctx, g.svc.ServiceName, page)
		if err != nil {
			return time.Time{}, err
		}
		for _, info := range infos {
			w := info.Window
			ours := w == nil && key == "" || w != nil && w.Key == key && w.Completion != store.DeadLettered // a dead letter has no event of a window
			switch {
			case info.Date.Before(first):
				return time.Time{}, nil
			case ours && info.State != store.Dropped:
				return info.Date, nil
			}
			page.After = &store.Cursor{Date: info.Date, ID: info.ID}
		}
		if len(infos) < page.Limit {
			return time.Time{}, nil
		}
		page.Limit = sweepPage // records of former rules lie between
	}
}

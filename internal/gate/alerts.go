package gate

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

const (
	// alertsEvery is the time between two looks for alerts that another instance left
	// behind. Those of this instance are sent at once.
	alertsEvery = time.Minute
	// alertTime bounds one look, with the alerts that it sends.
	alertTime = time.Minute
	// statusAlerts is the number of alerts in the status.
	statusAlerts = 10
)

// alerts holds the outbox of the service's alerts, and the state of the work on them.
type alerts struct {
	outbox *alert.Outbox // nil: the service has neither alerts nor expectations
	passes coalescer
	latest atomic.Pointer[checkRun] // the latest pass: done, running or queued
	next   atomic.Int64             // time.Ran of the next look for alerts to send

	expecting sync.Mutex // held by the call that evaluates expectations; guards the rest
	expected  time.Time  // the next instant to evaluate; zero: not known
	asked     time.Time  // when expected was computed
}

// alertsKept is the least time for which an alert is kept.
const alertsKept = 7 * 24 * time.Hour

// newOutbox returns the outbox of the service's alerts. senders reach the endpoints of the
// configuration, in its order.
func (g *Gate) newOutbox(senders []target.Sender) *alert.Outbox {
	if g.docs == nil || g.svc.Alerts == nil && len(g.svc.Expect) == 0 {
		return nil
	}
	o := &alert.Outbox{
		Docs: g.docs, Service: g.svc.ServiceName, Source: g.source(), Log: g.log, Now: g.clock, Tracer: g.tracer,
		Expire:  func() time.Time { return whole(g.time.After(max(g.retention(), alertsKept))) },
		Changed: func() { g.changed() },
	}
	if a := g.svc.Alerts; a != nil && a.Topic != "" {
		o.Receivers = append(o.Receivers, alert.Receiver{Name: "topic", Send: func(ctx context.Context, m alert.Message) error {
			_, err := g.bus.Publish(ctx, a.Topic, bus.Message{Data: m.Data, Attributes: m.Attributes})
			return err
		}})
	}
	for i, s := range senders {
		o.Receivers = append(o.Receivers, alert.Receiver{Name: alert.NameOf(g.svc.Alerts.HTTP[i].URL), Send: func(ctx context.Context, m alert.Message) error {
			return s.Send(ctx, target.Message{ID: m.ID, Data: m.Data, Attributes: m.Attributes})
		}, Final: target.Final})
	}
	return o
}

// alerting reports whether the configuration sends the service's alerts somewhere. If not,
// only the alerts of expectations are kept, and all are lines of the log.
func (g *Gate) alerting() bool { return g.alerts.outbox != nil && g.svc.Alerts != nil }

// tells reports whether an alert must be created: the service has alerts, or a URL subscribes
// to them.
func (g *Gate) tells(ctx context.Context) bool {
	return g.alerting() || g.outbox.Wants(ctx, occurrence.Alert, g.svc.ServiceName)
}

// creating returns the writes that create an alert. A service without alerts keeps only those
// of its expectations: a subscriber to the others must not change what /status shows.
func (g *Gate) creating(ctx context.Context, a alert.Alert) (writes []store.Write, err error) {
	if g.alerting() || g.alerts.outbox != nil && a.Kind == alert.Overdue {
		w, err := g.alerts.outbox.Create(ctx, a)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	told, err := g.occurrenceOfAlert(ctx, a)
	return append(writes, told...), err
}

// LatestAlerts returns the latest alerts that are kept, the newest first.
func (g *Gate) LatestAlerts(ctx context.Context, limit int) ([]alert.Sent, error) {
	if g.alerts.outbox == nil {
		return nil, nil
	}
	return g.alerts.outbox.Latest(ctx, limit)
}

// Ticks reports whether CloseDue has work to do every second.
func (g *Gate) Ticks() bool { return g.Closes() || g.alerts.outbox != nil }

// alertOfClosed returns the write that creates the alert of a window that closed incomplete,
// for the commit of the window's record. So the alert exists exactly if the record does.
func (g *Gate) alertOfClosed(ctx context.Context, c store.Claim, have []int) []store.Write {
	w := c.Window
	a := alert.Alert{
		ID: event.DeriveID("incomplete", g.svc.ServiceName, c.ID), Kind: alert.Incomplete, ServiceName: g.svc.ServiceName, CorrelationKey: w.Key,
		At: w.Closes, Completion: string(w.Completion), EventID: c.EventID, Window: timesOf(w.Opened, w.Closes), Endpoints: g.endpointsOf(have),
	}
	for _, m := range w.Missing {
		a.Missing = append(a.Missing, window.Shortfall{EventKey: m.Key, Have: m.Have, Need: m.Need})
	}
	writes, err := g.creating(ctx, a)
	if err != nil { // not reached; the window must close all the same
		g.log.Error("an alert could not be created", "alertID", a.ID, "error", err)
		return nil
	}
	return writes
}

func (g *Gate) endpointsOf(have []int) (list []alert.Tally) {
	for i, r := range g.rules.shape.Rules {
		list = append(list, alert.Tally{EventKey: r.Key, Have: have[i], Need: r.Need})
	}
	return list
}

func timesOf(opened, closes time.Time) *alert.Times {
	t := &alert.Times{Opened: opened}
	if !closes.IsZero() {
		t.Closes = &closes
	}
	return t
}

// lapsed adds an alert about events that left their window without a message. The commit
// that adds these events to the service's count creates it. The caller holds g.expiring.
func (g *Gate) lapsed(ctx context.Context, a alert.Alert) {
	if !g.tells(ctx) {
		return
	}
	a.ID, a.Kind, a.ServiceName, a.At = event.RandomID(), alert.Expired, g.svc.ServiceName, g.clock()
	writes, err := g.creating(ctx, a)
	if err != nil {
		g.log.Error("an alert could not be created", "kind", a.Kind, "error", err)
		return
	}
	g.untold = append(g.untold, writes...)
}

// mindAlerts creates the alerts of expectations that were not met, and sends what waits. It
// costs nothing while there is nothing to do. sent is closed when the alerts that waited
// before the call were tried; nil: none can wait.
func (g *Gate) mindAlerts(ctx context.Context) (sent <-chan struct{}, err error) {
	if g.alerts.outbox == nil {
		return nil, nil
	}
	if err = g.tellOverdue(ctx); err != nil {
		err = fmt.Errorf("evaluate expectations: %w", err)
	}
	if int64(g.time.Ran()) >= g.alerts.next.Load() {
		return g.startAlerts(), err
	}
	if run := g.alerts.latest.Load(); run != nil {
		sent = run.done
	}
	return sent, err
}

// startAlerts sends the alerts that wait, in the background. The caller is in flight. It
// returns nil if nobody gets alerts. A simulation creates alerts, and sends none.
func (g *Gate) startAlerts() (sent <-chan struct{}) {
	if !g.alerting() {
		return nil
	}
	if g.alone {
		g.expiring.Lock()
		defer g.expiring.Unlock()
		g.storeExpired(context.Background())
		return nil
	}
	run := g.alerts.passes.do(callers{}, func(callers) checkResult {
		ctx, cancel := context.WithTimeout(context.Background(), alertTime)
		defer cancel()
		g.sendAlerts(ctx)
		return checkResult{}
	})
	g.alerts.latest.Store(run)
	g.inFlight.Go(func() { <-run.done })
	return run.done
}

// sendAlerts sends the alerts that are due.
func (g *Gate) sendAlerts(ctx context.Context) {
	g.expiring.Lock()
	g.storeExpired(ctx)
	g.expiring.Unlock()
	rest := alertsEvery
	next, err := g.alerts.outbox.Send(ctx)
	if err != nil {
		g.log.WarnContext(ctx, "alerts could not be sent; the next look tries again", "error", err)
		rest = busRest
	} else if !next.IsZero() {
		rest = min(max(next.Sub(g.clock()), 0), rest)
	}
	g.alerts.next.Store(int64(g.time.Ran() + rest))
}

// waitFor waits until alerts were tried, or ctx ends.
func waitFor(ctx context.Context, sent <-chan struct{}) {
	if sent == nil {
		return
	}
	select {
	case <-sent:
	case <-ctx.Done():
	}
}

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
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// expectDocs has one document per service and schedule: how far expectations were evaluated.
var expectDocs = store.Collection{Kind: "state", Scope: "expect"}

// expectKept is longer than the time between two instants of any usual schedule.
const expectKept = 400 * 24 * time.Hour

type expectDoc struct {
	ServiceName string    `json:"serviceName"`
	Evaluated   time.Time `json:"evaluated"`
}

// expectID returns the id of the document. Another schedule has another document, because
// nothing was expected at its instants before it was configured.
func (g *Gate) expectID() string {
	return event.DeriveID("expect", g.svc.ServiceName, fmt.Sprintf("%q", g.svc.Expect))
}

// tellOverdue evaluates the expectations whose instants have come. It reads nothing until
// the next instant.
func (g *Gate) tellOverdue(ctx context.Context) error {
	if g.rules.expect == nil || !g.alerts.expecting.TryLock() {
		return nil
	}
	defer g.alerts.expecting.Unlock()
	now := g.clock()
	if now.Before(g.alerts.expected) && !now.Before(g.alerts.asked.Add(-clock.Skew)) {
		return nil
	}
	for attempt := 0; ; attempt++ {
		err := g.evaluate(ctx, now)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// evaluate looks at the instants since the last evaluation, by whatever instance. One commit
// moves the evaluation on and creates the alerts, so each instant is alerted once.
func (g *Gate) evaluate(ctx context.Context, now time.Time) error {
	doc, rev, err := g.readExpect(ctx)
	if err != nil {
		return err
	}
	from := doc.Evaluated
	if rev == "" || from.After(now.Add(clock.Skew)) { // the first evaluation, or one by a clock that was ahead
		from = now
	}
	due := alert.Due(g.rules.expect, from, now)
	if len(due) == 0 && from.Equal(doc.Evaluated) {
		g.expectAfter(now, from)
		return nil
	}
	missed, past := due, past{}
	if len(due) > 0 {
		if past, err = g.lookBack(ctx, due, now); err != nil {
			return err
		}
		missed = alert.Missed(due, past.published)
		if past.underway && len(missed) > 0 && now.Sub(due[len(due)-1].At) < undecided {
			return nil // the next look decides
		}
		from = due[len(due)-1].At
	}
	alerts, err := g.overdueAlerts(ctx, missed, past)
	if err != nil {
		return err
	}
	doc.Evaluated = from
	writes, err := g.evaluation(ctx, doc, rev, alerts)
	if err != nil {
		return err
	}
	if _, err := g.docs.Commit(ctx, writes); err != nil {
		return err
	}
	g.expectAfter(now, from)
	for _, a := range alerts {
		g.log.WarnContext(ctx, "no complete message was published in time", "at", a.At.Format(time.RFC3339), "since", a.Since.Format(time.RFC3339),
			"missing", a.Missing, "windows", a.Windows, "alertID", a.ID)
	}
	g.outbox.Committed(writes)
	g.countAlerts(writes)
	if len(alerts) > 0 {
		g.changed()
		g.startAlerts()
	}
	return nil
}

// undecided is the time for which an expectation waits for a publication that began before
// its instant, and whose outcome is not stored yet.
const undecided = time.Minute

// expectAfter remembers the next instant to evaluate.
func (g *Gate) expectAfter(now, from time.Time) {
	g.alerts.asked = now
	if from.After(now) {
		now = from
	}
	g.alerts.expected = g.rules.expect.Next(now)
}

func (g *Gate) readExpect(ctx context.Context) (d expectDoc, rev string, err error) {
	d.ServiceName = g.svc.ServiceName
	docs, err := g.docs.Get(ctx, expectDocs, []string{g.expectID()})
	if err != nil || docs[0] == nil {
		return d, "", err
	}
	if err := json.Unmarshal(docs[0].Body, &d); err != nil {
		return d, "", fmt.Errorf("read how far expectations were evaluated: %w", err)
	}
	return d, docs[0].Rev, nil
}

// evaluation returns the writes of an evaluation.
func (g *Gate) evaluation(ctx context.Context, doc expectDoc, rev string, alerts []alert.Alert) ([]store.Write, error) {
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	writes := []store.Write{{Collection: expectDocs, Doc: store.Doc{
		ID: g.expectID(), Body: body, Rev: rev, ExpireAt: whole(g.time.After(expectKept)),
	}}}
	for _, a := range alerts {
		created, err := g.creating(ctx, a)
		if err != nil {
			return nil, err
		}
		writes = append(writes, created...)
	}
	return writes, nil
}

const (
	// publishedLate is the longest time by which a publication may follow its claim and still
	// be found.
	publishedLate = 24 * time.Hour
	// claimsMost bounds the claims that an evaluation reads. Most often the latest one is a
	// complete message.
	claimsFirst, claimsMost = 5, 10_000
)

// past holds the facts about expectations that the claims tell.
type past struct {
	published []time.Time       // of complete messages, of which each meets an expectation
	underway  bool              // an attempt to publish a complete message is not settled
	closed    []store.ClaimInfo // windows that closed incomplete, the latest first
}

// lookBack reads the claims, the latest first, until each expectation is met or no claim can
// meet it.
func (g *Gate) lookBack(ctx context.Context, due []alert.Expectation, now time.Time) (p past, err error) {
	page := store.Page{Limit: claimsFirst}
	unmet := due
	for read := 0; read < claimsMost; {
		infos, err := g.store.Claims(ctx, g.svc.ServiceName, page)
		if err != nil {
			return p, err
		}
		for _, c := range infos {
			page.After = &store.Cursor{Date: c.Date, ID: c.ID}
			if c.Date.Before(due[0].Since.Add(-publishedLate)) {
				return p, nil
			}
			if w := c.Window; w != nil && w.Completion != store.Complete && w.Completion != store.Manual {
				p.closed = append(p.closed, c)
				continue
			}
			leased := c.State == store.Claimed && c.LastError == "" && c.NextAttempt.After(now)
			left := alert.Missed(unmet, []time.Time{c.PublishedAt})
			if !leased && (c.State != store.Published || len(left) == len(unmet)) {
				continue
			}
			complete, err := g.wasComplete(ctx, c)
			switch {
			case err != nil:
				return p, err
			case complete && leased:
				p.underway = true
			case complete:
				p.published, unmet = append(p.published, c.PublishedAt), left
				if len(unmet) == 0 {
					return p, nil
				}
			}
		}
		if read += len(infos); len(infos) < page.Limit {
			break
		}
		page.Limit = sweepPage
	}
	return p, nil
}

// wasComplete reports whether a claim took a complete window. Claims from plain sets do not
// say whether they were triggered by hand, so their events tell.
func (g *Gate) wasComplete(ctx context.Context, info store.ClaimInfo) (bool, error) {
	if info.Window != nil {
		return info.Window.Completion == store.Complete, nil
	}
	c, err := g.store.ClaimByEventID(ctx, g.svc.ServiceName, info.EventID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // it expired just now
	}
	for _, l := range c.Lists {
		if l.Count < l.Need {
			return false, err
		}
	}
	return true, err
}

// overdueAlerts returns the alerts of expectations that were missed, except those that exist.
func (g *Gate) overdueAlerts(ctx context.Context, missed []alert.Expectation, p past) (alerts []alert.Alert, err error) {
	if len(missed) == 0 {
		return nil, nil
	}
	ids := make([]string, len(missed))
	for i, m := range missed {
		ids[i] = event.DeriveID("overdue", g.svc.ServiceName, m.At.UTC().Format(time.RFC3339))
	}
	exist, err := g.alerts.outbox.Existing(ctx, ids)
	if err != nil {
		return nil, err
	}
	now := alert.Alert{}
	if err := g.lacking(ctx, &now); err != nil {
		return nil, err
	}
	for i, m := range missed {
		if exist[ids[i]] {
			continue
		}
		a, since, closed := now, m.Since.UTC(), p.closedFor(m)
		a.ID, a.Kind, a.ServiceName, a.At, a.Since = ids[i], alert.Overdue, g.svc.ServiceName, m.At.UTC(), &since
		switch {
		case len(closed) == 0:
		case g.correlated():
			list := append(closed, now.Windows...)
			a.Windows, a.MoreWindows = list[:min(overdueWindows, len(list))], now.MoreWindows || len(list) > overdueWindows
		default: // what is missing in the window that is open now was not expected yet
			last := closed[len(closed)-1]
			a.Completion, a.Window, a.Missing, a.Endpoints = last.Completion, &alert.Times{Opened: last.Opened, Closes: last.Closes}, last.Missing, nil
		}
		alerts = append(alerts, a)
	}
	return alerts, nil
}

// closedFor returns the windows that closed incomplete while the expectation waited, oldest
// first.
func (p past) closedFor(e alert.Expectation) (list []alert.Lacking) {
	for _, c := range slices.Backward(p.closed) {
		if w := c.Window; w.Closes.After(e.Since) && !w.Closes.After(e.At) {
			l := alert.Lacking{CorrelationKey: w.Key, Opened: w.Opened, Closes: &w.Closes, Completion: string(w.Completion)}
			for _, m := range w.Missing {
				l.Missing = append(l.Missing, window.Shortfall{EventKey: m.Key, Have: m.Have, Need: m.Need})
			}
			list = append(list, l)
		}
	}
	return list
}

// overdueWindows is the number of windows that an alert names.
const overdueWindows = 10

// lacking fills in what is missing now: in the first window, or in the oldest open windows
// of a service that waits for each key separately.
func (g *Gate) lacking(ctx context.Context, a *alert.Alert) (err error) {
	var have []int
	switch {
	case g.correlated():
		list, next, err := g.walkWindows(ctx, WindowPage{Limit: overdueWindows})
		for _, w := range list {
			if len(w.Missing) == 0 { // it is complete, and waits for its end
				continue
			}
			t := timesOf(w.Opened, w.Closes)
			a.Windows = append(a.Windows, alert.Lacking{CorrelationKey: w.Key, Opened: t.Opened, Closes: t.Closes, Missing: w.Missing})
		}
		a.MoreWindows = next != nil
		return err
	case g.rules.byKey:
		have, err = g.haveOf(ctx, "")
	default:
		r := g.newReading()
		err = g.probe(ctx, r, g.allEndpoints(), g.since(), 0)
		have = r.have
	}
	a.Endpoints, a.Missing = g.endpointsOf(have), g.missing(have)
	return err
}

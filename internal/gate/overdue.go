package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/alert"
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
	missed := due
	if len(due) > 0 {
		published, underway, err := g.publishedSince(ctx, due, now)
		if err != nil {
			return err
		}
		missed = alert.Missed(due, published)
		if underway && len(missed) > 0 && now.Sub(due[len(due)-1].At) < undecided {
			return nil // the next look decides
		}
		from = due[len(due)-1].At
	}
	alerts, err := g.overdueAlerts(ctx, missed)
	if err != nil {
		return err
	}
	doc.Evaluated = from
	writes, err := g.evaluation(doc, rev, alerts)
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
func (g *Gate) evaluation(doc expectDoc, rev string, alerts []alert.Alert) ([]store.Write, error) {
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	writes := []store.Write{{Collection: expectDocs, Doc: store.Doc{
		ID: g.expectID(), Body: body, Rev: rev, ExpireAt: whole(g.time.After(expectKept)),
	}}}
	for _, a := range alerts {
		w, err := g.alerts.outbox.Create(a)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

const (
	// publishedLate is the longest time by which a publication may follow its claim and still
	// be found.
	publishedLate = 24 * time.Hour
	// claimsMost bounds the claims that an evaluation reads. Most often the latest one is a
	// complete message.
	claimsFirst, claimsMost = 20, 10_000
)

// publishedSince returns when the complete messages were published that meet one of the
// expectations each, where it finds them. underway reports that an attempt to publish a
// complete message is not settled.
func (g *Gate) publishedSince(ctx context.Context, due []alert.Expectation, now time.Time) (published []time.Time, underway bool, err error) {
	page := store.Page{Limit: claimsFirst}
	for read := 0; read < claimsMost; {
		infos, err := g.store.Claims(ctx, g.svc.ServiceName, page)
		if err != nil {
			return nil, false, err
		}
		for _, c := range infos {
			page.After = &store.Cursor{Date: c.Date, ID: c.ID}
			if c.Date.Before(due[0].Since.Add(-publishedLate)) {
				return published, underway, nil
			}
			leased := c.State == store.Claimed && c.LastError == "" && c.NextAttempt.After(now)
			unmet := c.State == store.Published && len(alert.Missed(alert.Missed(due, published), []time.Time{c.PublishedAt})) < len(alert.Missed(due, published))
			if !leased && !unmet {
				continue
			}
			complete, err := g.wasComplete(ctx, c)
			switch {
			case err != nil:
				return nil, false, err
			case complete && leased:
				underway = true
			case complete:
				if published = append(published, c.PublishedAt); len(alert.Missed(due, published)) == 0 {
					return published, false, nil
				}
			}
		}
		if read += len(infos); len(infos) < page.Limit {
			break
		}
		page.Limit = sweepPage
	}
	return published, underway, nil
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
func (g *Gate) overdueAlerts(ctx context.Context, missed []alert.Expectation) (alerts []alert.Alert, err error) {
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
	lack := alert.Alert{Kind: alert.Overdue, ServiceName: g.svc.ServiceName}
	if err := g.lacking(ctx, &lack); err != nil {
		return nil, err
	}
	for i, m := range missed {
		if exist[ids[i]] {
			continue
		}
		a := lack
		since := m.Since.UTC()
		a.ID, a.At, a.Since = ids[i], m.At.UTC(), &since
		alerts = append(alerts, a)
	}
	return alerts, nil
}

// overdueWindows is the number of open windows that an alert names.
const overdueWindows = 10

// lacking fills in what is missing now: of the first window, or of the oldest open windows
// of a service that waits for each key separately.
func (g *Gate) lacking(ctx context.Context, a *alert.Alert) (err error) {
	have := make([]int, len(g.endpoints))
	switch {
	case g.correlated():
		list, next, err := g.walkWindows(ctx, WindowPage{Limit: overdueWindows})
		if err != nil {
			return err
		}
		for _, w := range list {
			t := timesOf(w.Opened, w.Closes)
			a.Windows = append(a.Windows, alert.Lacking{CorrelationKey: w.Key, Opened: t.Opened, Closes: t.Closes, Missing: w.Missing})
		}
		a.MoreWindows = next != nil
		return nil
	case g.rules.byKey:
		have, err = g.haveOf(ctx, "")
	default:
		have, _, err = g.probe(ctx, g.allEndpoints(), g.since(), 0)
	}
	a.Endpoints, a.Missing = g.endpointsOf(have), g.missing(have)
	return err
}

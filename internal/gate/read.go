package gate

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// EndpointStatus describes the events that wait at one endpoint.
type EndpointStatus struct {
	EventKey    string
	Have, Need  int
	First, Last time.Time // of the events in the window; zero if there are none
	// OldestLeaves is the time at which the first of them leaves the window.
	OldestLeaves time.Time
	// Expired is the number of events that have ever left the window without a message.
	Expired int
	// Counts are those of this instance.
	Counts Counts
}

// Status describes the window and the outbox of a service.
type Status struct {
	Complete      bool
	Endpoints     []EndpointStatus
	Missing       []window.Shortfall
	Backlog       int       // claims not yet published
	BacklogOldest time.Time // zero if there are none
	Warning       string    // what an operator should do about them, or ""
	LastMessage   *store.ClaimInfo
	// Window is the first window of the key, where events wait by key; nil: it has none.
	Window   *OpenWindow
	Warnings []string // what an operator should correct, see Options
	// CountedSince is the time at which this instance began to count what Counts has.
	CountedSince time.Time
	Feeds        []FeedStatus
	// Alerts are the latest ones, the newest first.
	Alerts []alert.Sent
}

// Status returns the state of the window and the outbox. For a service that waits for each
// correlation key separately, it is the window of one key, or (key nil) what waits in all.
func (g *Gate) Status(ctx context.Context, key *string) (Status, error) {
	if err := g.checkKey(key); err != nil {
		return Status{}, err
	}
	s := Status{Endpoints: make([]EndpointStatus, len(g.endpoints))}
	have := make([]int, len(g.endpoints))
	var counted expiredDoc
	eg, ctx := errgroup.WithContext(ctx)
	g.readWaiting(ctx, eg, key, &s, have)
	g.readOutbox(ctx, eg, &s)
	if g.docs != nil {
		eg.Go(func() (err error) {
			counted, _, err = g.readExpired(ctx)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return Status{}, unavailable(err, "the status could not be read")
	}
	if w := g.timersWarning(); w != "" {
		s.Warnings = append(s.Warnings, w)
	}
	for i := range s.Endpoints {
		s.Endpoints[i].Expired += counted.Endpoints[s.Endpoints[i].EventKey]
	}
	g.counted(&s)
	s.Warning = g.warning(s.Backlog, s.BacklogOldest)
	switch {
	case !g.rules.byKey:
		s.Missing = window.Missing(g.rules.shape.Rules, have)
		s.Complete = len(s.Missing) == 0
	case key != nil || !g.correlated():
		s.Missing = g.missing(have)
		s.Complete = len(s.Missing) == 0
	}
	return s, nil
}

// readWaiting starts to read what waits at the endpoints. have gets the number of events of
// each that count.
func (g *Gate) readWaiting(ctx context.Context, eg *errgroup.Group, key *string, s *Status, have []int) {
	if g.rules.byKey {
		eg.Go(func() error { return g.statusByKey(ctx, key, s, have) })
		return
	}
	since := g.since()
	for i := range g.endpoints {
		eg.Go(func() (err error) {
			s.Endpoints[i], err = g.statusOf(ctx, i, since)
			have[i] = s.Endpoints[i].Have
			return err
		})
	}
}

// readOutbox starts to read the messages, alerts and warnings.
func (g *Gate) readOutbox(ctx context.Context, eg *errgroup.Group, s *Status) {
	eg.Go(func() (err error) {
		s.Backlog, s.BacklogOldest, err = g.store.Backlog(ctx, g.svc.ServiceName)
		return err
	})
	eg.Go(func() error {
		last, err := g.store.Claims(ctx, g.svc.ServiceName, store.Page{Limit: 1})
		if len(last) > 0 {
			s.LastMessage = &last[0]
		}
		return err
	})
	if g.alerts.outbox != nil {
		eg.Go(func() (err error) {
			s.Alerts, err = g.alerts.outbox.Latest(ctx, statusAlerts)
			return err
		})
	}
	if g.warnings != nil {
		eg.Go(func() (err error) {
			s.Warnings, err = g.warnings(ctx)
			return err
		})
	}
}

// statusOf describes what waits in the plain set of an endpoint.
func (g *Gate) statusOf(ctx context.Context, endpoint int, since time.Time) (EndpointStatus, error) {
	r := g.rules.shape.Rules[endpoint]
	sum, err := g.store.Summarize(ctx, g.endpoints[endpoint], since)
	e := EndpointStatus{EventKey: r.Key, Have: sum.Count, Need: r.Need, First: sum.First, Last: sum.Last}
	if sum.Count > 0 {
		e.OldestLeaves = sum.First.Add(g.svc.Trigger.Period())
	}
	if err == nil {
		e.Expired, err = g.unswept(ctx, g.endpoints[endpoint], since, sum.Count)
	}
	return e, err
}

// Messages lists messages, newest first.
func (g *Gate) Messages(ctx context.Context, page store.Page) ([]store.ClaimInfo, error) {
	if err := g.checkKey(page.Key); err != nil {
		return nil, err
	}
	infos, err := g.store.Claims(ctx, g.svc.ServiceName, page)
	if err != nil {
		return nil, unavailable(err, "the messages could not be read")
	}
	return infos, nil
}

// MessageInfo returns the message with the eventID. NotFound.
func (g *Gate) MessageInfo(ctx context.Context, eventID string) (store.ClaimInfo, error) {
	c, err := g.claimOf(ctx, eventID)
	return c.ClaimInfo, err
}

// Replay publishes a message again, with the same ids, whether or not it was published
// before: to one target, or (to "") to all of them.
func (g *Gate) Replay(ctx context.Context, eventID, to string) (store.ClaimInfo, error) {
	if !g.enter() {
		return store.ClaimInfo{}, errClosing
	}
	defer g.inFlight.Done()
	if err := g.checkTarget(to); err != nil {
		return store.ClaimInfo{}, err
	}
	c, err := g.claimOf(ctx, eventID)
	if err != nil {
		return store.ClaimInfo{}, err
	}
	if c.State == store.Dropped {
		return store.ClaimInfo{}, fault.New(fault.Conflict, "message %q is the record of a window that was dropped: it has no message to replay", eventID)
	}
	if err := g.replay(ctx, c, to); err != nil {
		if u, ok := errors.AsType[undelivered](err); ok {
			return store.ClaimInfo{}, fault.Wrap(fault.Unavailable, u, "the message was not delivered: %s", u)
		}
		return store.ClaimInfo{}, g.expired(err, eventID)
	}
	return c.ClaimInfo, nil
}

// replay publishes a claim again, to targets that the configuration has. One that was added
// after the claim was made can get it, too; that is not recorded.
func (g *Gate) replay(ctx context.Context, c store.Claim, to string) error {
	choose := func(t store.Target) bool { return g.receiver(t.Name) != nil && (to == "" || t.Name == to) }
	if !isDeadLetter(c.ClaimInfo) && !slices.ContainsFunc(c.Targets, choose) && len(c.Targets)+len(g.receivers) > 0 {
		c.Targets, c.State = g.newTargets(g.clock()), store.Published
	}
	if len(c.Targets) == 0 {
		return g.publish(ctx, c, attempt{build: longestBuild}, func() {})
	}
	_, err := g.deliver(ctx, delivery{c: c, replay: true, choose: choose}, attempt{build: longestBuild}, func() {})
	return err
}

// claimOf returns the claim of a message.
func (g *Gate) claimOf(ctx context.Context, eventID string) (store.Claim, error) {
	c, err := g.store.ClaimByEventID(ctx, g.svc.ServiceName, eventID)
	if errors.Is(err, store.ErrNotFound) {
		return c, fault.New(fault.NotFound, "no message %q", eventID)
	}
	if err != nil {
		return c, unavailable(err, "the message could not be read")
	}
	return c, nil
}

// expired returns Gone if the message's events have expired, and otherwise an error that
// tells the caller to retry.
func (g *Gate) expired(err error, eventID string) error {
	if errors.Is(err, store.ErrNotFound) {
		return fault.Wrap(fault.Gone, err, "the events of message %q have expired", eventID)
	}
	return unavailable(err, "the message could not be read or published")
}

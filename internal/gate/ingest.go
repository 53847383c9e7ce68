package gate

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// Incoming is an event as a source sent it.
type Incoming struct {
	EventKey string // of a configured endpoint
	Meta     event.Meta
	Content  []byte
	// IdempotencyKey is what the source calls the event; "" if it does not say,
	// and then two requests are two events.
	IdempotencyKey string
	// Held is the memory that the content has taken, where it is bounded. It stays
	// taken until the event is stored, even if the caller leaves before that.
	Held *budget.Hold
}

// Receipt says that an event is stored.
type Receipt struct {
	ID         string
	EventKey   string
	ReceivedAt time.Time
	Duplicate  bool
}

// Ingested is the answer to a batch: a receipt for each event, in order, and the
// eventID of the message that the check behind them released, or "".
type Ingested struct {
	Receipts  []Receipt
	Triggered string
	Published bool // with Triggered: the bus has the message, else it is tried again
}

// Ingest stores the events and then checks the window. It returns once the
// events are durable and, unless the service is asynchronous, the check that
// began after that is done and what it released is published (or left to the
// sweep, if the bus does not answer).
//
// An error means that no receipt can be given: some events may be stored all the
// same, so a source should name its events and send them again. The codes are
// NotFound (no such endpoint), TooLarge and Unavailable.
func (g *Gate) Ingest(ctx context.Context, in ...Incoming) (Ingested, error) {
	if !g.enter() { // until the unit is answered, even if the caller leaves before
		return Ingested{}, errClosing
	}
	err := g.observe(ctx)
	var u *unit
	var keyed bool
	if err == nil {
		u, keyed, err = g.unit(in)
	}
	if err != nil {
		g.inFlight.Done()
		return Ingested{}, err
	}
	if len(in) > 0 {
		u.held = in[0].Held.Share() // one request's events share what it has taken
	}
	if err := g.commits.do(ctx, u); err != nil {
		return Ingested{}, unavailable(err, "the store did not answer in time")
	}
	out := Ingested{Receipts: make([]Receipt, len(in))}
	for i, r := range u.results {
		if r.Err != nil {
			return Ingested{}, unavailable(r.Err, "the event could not be stored")
		}
		out.Receipts[i] = Receipt{
			ID: u.appends[i].Event.ID, EventKey: in[i].EventKey, ReceivedAt: r.ReceivedAt, Duplicate: r.Duplicate,
		}
	}
	// The events are safe. If the check failed, a source that names its events can
	// send them again at no risk, and that checks again; one that does not would
	// double them, so it gets its receipts and the sweep makes up for the check.
	if u.verdict.err != nil && keyed {
		return Ingested{}, unavailable(u.verdict.err, "the event is stored, but the window could not be checked")
	}
	if u.verdict.released != nil {
		out.Triggered, out.Published = u.verdict.released.EventID, u.verdict.published()
	}
	return out, nil
}

// unit turns what came in into what the store takes. keyed reports whether all of it
// can be sent again without doubling.
func (g *Gate) unit(in []Incoming) (u *unit, keyed bool, err error) {
	u, keyed = &unit{appends: make([]store.Append, len(in))}, true
	// A message is built and served from its events: they outlive the window, the
	// message's retention, and a day for a claim that waits.
	stamp := g.time.Stamp(g.remember(), g.remember()+g.retention()+24*time.Hour)
	now, expireAt := whole(stamp.Now), whole(stamp.Until)
	forgetBefore, forgetAfter := g.memoryOfNames(stamp)
	for i, e := range in {
		n, ok := g.byKey[e.EventKey]
		if !ok {
			return nil, false, fault.New(fault.NotFound, "no endpoint %q", e.EventKey)
		}
		id := event.NewID(now)
		if e.IdempotencyKey != "" {
			id = event.DeriveID(g.svc.ServiceName, e.EventKey, e.IdempotencyKey)
		} else {
			keyed = false
		}
		u.appends[i] = store.Append{
			Event:        event.Event{ID: id, Key: e.EventKey, ReceivedAt: now, Meta: e.Meta, Content: e.Content},
			Endpoint:     g.endpoints[n],
			Attempt:      event.RandomID()[:16],
			ForgetBefore: forgetBefore, ForgetAfter: forgetAfter,
			ExpireAt: expireAt,
		}
	}
	return u, keyed, nil
}

// commit stores what the units hold and answers them: after the check, or at
// once where there is none to wait for.
func (g *Gate) commit(units []*unit) {
	appends := units[0].appends
	if len(units) > 1 {
		appends = nil
		for _, u := range units {
			appends = append(appends, u.appends...)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	results := g.store.Append(ctx, appends)
	cancel()

	stored := false
	for i, r := range results {
		if r.Err == nil {
			stored = true
			if !r.Duplicate {
				g.recent.add(appends[i].Event)
			}
		}
	}
	for _, u := range units {
		u.results, results = results[:len(u.appends)], results[len(u.appends):]
	}
	if stored {
		g.changed()
	}
	if !stored || !g.windowed() {
		g.answer(units, verdict{})
		return
	}
	run := g.startCheck()
	g.inFlight.Add(1) // the units may be answered before the check ends
	if g.svc.AsyncEventTrigger {
		g.answer(units, verdict{})
		units = nil // their bodies are not kept for the check
	}
	go func() { // the leader goes on with the next commit meanwhile
		defer g.inFlight.Done()
		<-run.done
		run.verdict.wait()
		if !g.svc.AsyncEventTrigger {
			g.answer(units, run.verdict)
		} else if run.verdict.err != nil {
			g.log.Error("the window could not be checked: the next event or sweep will", "error", run.verdict.err)
		}
	}()
}

// answer answers units, which entered.
func (g *Gate) answer(units []*unit, v verdict) {
	for _, u := range units {
		u.verdict = v
		close(u.done)
		u.held.Release()
	}
	g.inFlight.Add(-len(units))
}

// unavailable marks an error of the store or bus as one to retry, unless it
// already says what it is.
func unavailable(err error, message string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "%s; send the request again", message)
}

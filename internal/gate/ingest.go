package gate

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/message"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

// Incoming is an event as a source sent it.
type Incoming struct {
	EventKey string // of a configured endpoint
	// Feed is the name of the feed that took the event; then its routes give the EventKey.
	Feed    string
	Meta    event.Meta
	Content []byte
	// Push is the Pub/Sub push that carried the event; nil: none did. An endpoint that unwraps
	// pushes keeps the data of Push in the place of Content.
	Push *event.Push
	// Opened reports that Content is the data of Push already.
	Opened bool
	// IdempotencyKey is the source's name for the event. Without one ("") each request is
	// an event of its own, and a retry counts twice.
	IdempotencyKey string
	// ID is the id of an event that was recorded, and is played again. It is kept, unless a
	// name gives the event another one that it did not have yet. "": the event is new.
	ID string
	// Held is the memory reserved for the content, or nil if memory is not bounded. It
	// stays reserved until the event is stored, even if the caller leaves earlier.
	Held *budget.Hold
}

// Receipt confirms that an event is stored.
type Receipt struct {
	ID         string
	EventKey   string
	ReceivedAt time.Time
	Duplicate  bool
	// DeadLetter says why the event, which is stored, goes to the dead letters and to no
	// window: the field whose expression fails, "late" or "noRoute". "" if it does not, or if
	// the event is a duplicate.
	DeadLetter string
	// Left says why the event, which is acknowledged, is not stored; "" if it is.
	Left Left
	// Superseded says that another event with the same distinct value counts in its place.
	Superseded bool
	// Err is the error of an event that the rules refuse. It is not stored, and the others
	// of its batch are not affected. Its code is Invalid.
	Err error
}

// Ingested is the answer to a batch: a receipt for each event, in order, and the eventID
// of the message that the check after them released, or "".
type Ingested struct {
	Receipts  []Receipt
	Triggered string
	Published bool // with Triggered: the bus has the message; if false, a sweep retries it
}

// Ingest stores the events and then checks the window. It returns when the events are
// durable. Unless the service is asynchronous, it also waits for a check that began after
// the commit, and for the publication of the message that the check released. If the bus
// does not answer, the message is left to the sweep.
//
// An error means that there is no receipt. Some of the events may still be stored, so a
// source should give its events idempotency keys and send them all again. The codes are
// NotFound (no such endpoint or feed), TooLarge, TooMany (see maxPending) and Unavailable.
func (g *Gate) Ingest(ctx context.Context, in ...Incoming) (Ingested, error) {
	began := g.time.Ran()
	out, err := g.ingest(ctx, in)
	g.measureIngest(g.time.Ran()-began, in, err)
	return out, err
}

func (g *Gate) ingest(ctx context.Context, in []Incoming) (Ingested, error) {
	if !g.enter() { // answer ends this, even if the caller leaves earlier
		return Ingested{}, errClosing
	}
	err := g.observe(ctx)
	if err == nil {
		err = g.full(ctx)
	}
	var u *unit
	if err == nil {
		u, err = g.unit(ctx, in)
	}
	if err == nil && g.rules.slotsMove() {
		err = g.closeBefore(ctx, u)
	}
	if err != nil || len(u.appends) == 0 {
		g.inFlight.Done()
		if err != nil {
			return Ingested{}, err
		}
		g.countReceipts(u.receipts)
		return Ingested{Receipts: u.receipts}, nil
	}
	if len(in) > 0 {
		u.held = in[0].Held.Share() // all events of a request share its reserved memory
	}
	u.span = trace.Current(ctx)
	if err := g.commits.do(ctx, u); err != nil {
		return Ingested{}, unavailable(err, "the store did not answer in time")
	}
	out := Ingested{Receipts: u.receipts}
	for i, r := range u.results {
		if r.Err != nil {
			return Ingested{}, unavailable(r.Err, "the event could not be stored")
		}
		id := u.appends[i].Event.ID
		rc := Receipt{ID: id, EventKey: u.appends[i].Event.Key, ReceivedAt: r.ReceivedAt, Duplicate: r.Duplicate, Superseded: r.Superseded.ID == id}
		if !r.Duplicate {
			rc.DeadLetter = reasonOf(&u.appends[i])
		}
		out.Receipts[u.index[i]] = rc
	}
	// The events are durable, but the check may have failed. A source whose events all have
	// keys gets an error: its retry adds nothing and checks again. A retry without keys
	// would store the events twice, so that source gets receipts and a sweep checks instead.
	if u.verdict.err != nil && u.named {
		return Ingested{}, unavailable(u.verdict.err, "the event is stored, but the window could not be checked")
	}
	g.countReceipts(out.Receipts)
	out.Triggered, out.Published = u.verdict.message()
	return out, nil
}

// unit applies the rules to the events of a request, and converts those that are to be
// stored to the store's form. It ends when the caller leaves: expressions of a whole batch
// can take minutes, which nobody would wait for.
func (g *Gate) unit(ctx context.Context, in []Incoming) (*unit, error) {
	u := &unit{
		appends: make([]store.Append, 0, len(in)), index: make([]int, 0, len(in)), receipts: make([]Receipt, len(in)), named: true,
	}
	// A message is built and served from its events, so they must outlive the window, then
	// the message's retention, and a day more for a claim that waits.
	stamp := g.time.Stamp(g.remember(), g.remember()+g.retention()+24*time.Hour)
	now, expireAt := whole(stamp.Now), whole(stamp.Until)
	forgetBefore, forgetAfter := g.memoryOfNames(stamp)
	parent := trace.Parent(ctx)
	for i := range in {
		if err := ctx.Err(); err != nil {
			return nil, unavailable(err, "the events could not be looked at in time")
		}
		n, a, err := g.admitted(&in[i], now)
		if fault.CodeOf(err) == fault.NotFound {
			return nil, err
		}
		e := &in[i]
		if err != nil || a.left != "" {
			u.receipts[i] = Receipt{EventKey: e.EventKey, ReceivedAt: now, Left: a.left, Err: err}
			continue
		}
		if format := message.Format(g.svc.MessageFormat); format.Strict() && !utf8.Valid(e.Content) {
			err := fault.New(fault.Invalid, "the body is not UTF-8, and messageFormat %s carries text only", format)
			u.receipts[i] = Receipt{EventKey: e.EventKey, ReceivedAt: now, Err: err}
			continue
		}
		id := e.ID
		switch {
		case a.name != "":
			id = g.named(e, a.name, now)
		case id == "":
			id = event.NewID(now)
			u.named = false
		}
		one := store.Append{
			Event:        event.Event{ID: id, Key: e.EventKey, ReceivedAt: now, Meta: g.metaOf(n, e, a.key), Content: e.Content},
			Attempt:      event.RandomID()[:16],
			ForgetBefore: forgetBefore, ForgetAfter: forgetAfter,
			ExpireAt: expireAt,
		}
		one.Event.Meta.Traceparent = parent
		if a.letter != "" {
			one.Endpoint, one.Place = g.letters(), letterPlace(a, now)
		} else {
			one.Endpoint, one.Place = g.endpoints[n], a.place
		}
		u.index, u.appends = append(u.index, i), append(u.appends, one)
	}
	return u, nil
}

// admitted applies the rules to an event, and gives one of a feed its EventKey and its
// content. The endpoint is noEndpoint if no route takes the event; the error is NotFound if
// there is no such endpoint.
func (g *Gate) admitted(e *Incoming, now time.Time) (endpoint int, a admission, err error) {
	if e.Feed != "" {
		f := g.rules.feeds[e.Feed]
		if f == nil {
			return noEndpoint, a, fault.New(fault.NotFound, "no feed %q", e.Feed)
		}
		n, failed := f.route(e, now)
		if n == noEndpoint {
			e.EventKey = f.path()
			a, err = f.none(failed)
			a.name = e.IdempotencyKey
			return noEndpoint, a, err
		}
		e.EventKey = g.endpoints[n].Key
	}
	n, ok := g.byKey[e.EventKey]
	if !ok {
		return noEndpoint, a, fault.New(fault.NotFound, "no endpoint %q", e.EventKey)
	}
	if g.opens(n, e) {
		e.Content = e.Push.Data
	}
	if !g.rules.apply(n) {
		return n, admission{name: e.IdempotencyKey}, nil
	}
	a, err = g.rules.admit(n, seen(e, now), e.IdempotencyKey, now)
	return n, a, err
}

// commit stores the events of the units in one commit, then answers the units: after the
// checks, or at once if there is no check to wait for.
func (g *Gate) commit(units []*unit) {
	appends := units[0].appends
	if len(units) > 1 {
		appends = nil
		for _, u := range units {
			appends = append(appends, u.appends...)
		}
	}
	ctx, cancel := g.bounded(storeTimeout)
	spans := beginCommit(units, len(appends))
	results := g.store.Append(ctx, appends)
	cancel()
	endCommit(spans, units, results)

	stored := false
	for i, r := range results {
		if r.Err == nil {
			stored = true
			if !r.Duplicate && !g.alone {
				g.recent.add(appends[i].Event)
			}
			if !r.Duplicate && appends[i].Place == nil {
				g.guess.stored(g.byKey[appends[i].Event.Key])
			}
			g.reportOusted(&appends[i], r)
			g.countStored(&appends[i], r)
		}
	}
	for _, u := range units {
		u.results, results = results[:len(u.appends)], results[len(u.appends):]
	}
	if stored {
		g.changed()
	}
	if !stored {
		g.answer(units, checkResult{})
		return
	}
	var sent []*checkRun // the dead letters
	if g.rules.letters && slices.ContainsFunc(appends, func(a store.Append) bool { return isLetter(&a) }) {
		sent = append(sent, g.startLetters())
	}
	switch {
	case !g.windowed() && sent == nil:
		g.answer(units, checkResult{})
	case !g.windowed():
		g.answerAfter(units, sent...)
	case !g.rules.byKey:
		g.answerAfter(units, append(sent, g.startCheck(callersOf(units...)))...)
	case g.many != nil:
		g.lookAtMany(units, sent)
	default:
		for _, u := range units {
			g.answerAfter([]*unit{u}, append(g.startChecks(u), sent...)...)
		}
	}
}

// answerAfter answers the units after the checks, or at once if the service is asynchronous.
func (g *Gate) answerAfter(units []*unit, runs ...*checkRun) {
	g.inFlight.Add(1) // the units may be answered before the checks end
	if g.svc.AsyncEventTrigger {
		g.answer(units, checkResult{})
		units = nil // the checks need no bodies, so their memory can be freed
	}
	g.spawn(func() { // the leader must be free for the next commit
		defer g.inFlight.Done()
		var all checkResult
		for _, run := range runs {
			<-run.done
			run.verdict.wait()
			all = all.and(run.verdict)
		}
		if !g.svc.AsyncEventTrigger {
			g.answer(units, all)
		} else if all.err != nil {
			g.log.Error("the window could not be checked; the next event or sweep checks it", "error", all.err)
		}
	})
}

// answer gives the units the result of their check, frees their memory and ends their time
// in flight.
func (g *Gate) answer(units []*unit, v checkResult) {
	for _, u := range units {
		u.verdict = v
		close(u.done)
		u.held.Release()
	}
	g.inFlight.Add(-len(units))
}

// unavailable marks an error of the store or the bus as one that the caller should retry.
// An error that already has a code keeps it.
func unavailable(err error, message string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "%s; send the request again", message)
}

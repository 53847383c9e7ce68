package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

// delivery is one attempt to publish a claim that has several targets.
type delivery struct {
	g      *Gate
	c      store.Claim
	size   int
	choose func(store.Target) bool // the targets to send to
	replay bool                    // an operator asks for it, beside the outbox's own attempts
	errs   undelivered
	span   trace.Span // of the message, from start to finish
}

// answer is the outcome of an attempt at one of the targets.
type answer struct {
	at  int // in the claim's targets
	err error
}

// deliver sends the claim's message to the targets that are chosen, to all at the same time,
// and calls acked when every topic and endpoint has it.
//
// Each acknowledgement is recorded in the store as soon as it arrives, together with those
// that arrived meanwhile. So a process that dies between two targets leaves a claim from
// which the next one sees who has the message. whole reports whether every target has it
// now. An error means that one of the chosen targets did not take it.
func (g *Gate) deliver(ctx context.Context, d delivery, a attempt, acked func()) (whole bool, err error) {
	d.g, d.c.Targets = g, slices.Clone(d.c.Targets)
	answers, n, done, err := d.start(ctx, a)
	if err != nil {
		if d.c.State != store.Published && !d.replay {
			d.settle(ctx, store.Outcome{NextAttempt: nextAttempt(g.clock(), d.c.Attempts), Error: err.Error(), Targets: d.c.Targets})
		}
		return false, err
	}
	defer done()
	told := false
	for {
		if !told && d.everybodyHas() {
			told = true
			acked()
		}
		if n == 0 {
			break
		}
		d.take(<-answers)
		for n--; n > 0 && len(answers) > 0; n-- {
			d.take(<-answers)
		}
		if n > 0 {
			d.record(ctx)
		}
	}
	d.finish(ctx)
	whole = !slices.ContainsFunc(d.c.Targets, func(t store.Target) bool { return !t.Delivered() })
	if len(d.errs) > 0 {
		err = d.errs
	}
	d.span.End(err)
	return whole, err
}

// undelivered has the failures of the targets that did not take a message.
type undelivered []targetError

// targetError is the failure of one target.
type targetError struct {
	target string
	err    error
}

// Error returns all of them on one line.
func (u undelivered) Error() string {
	texts := make([]string, len(u))
	for i, f := range u {
		texts[i] = fmt.Sprintf("target %s: %s", f.target, f.err)
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the failures.
func (u undelivered) Unwrap() []error {
	errs := make([]error, len(u))
	for i, f := range u {
		errs[i] = f.err
	}
	return errs
}

// start builds the message and begins to send it. done gives back the message's memory.
func (d *delivery) start(ctx context.Context, a attempt) (answers chan answer, n int, done func(), err error) {
	var chosen []int
	for i, t := range d.c.Targets {
		if d.choose(t) {
			chosen = append(chosen, i)
		}
	}
	answers = make(chan answer, len(chosen))
	if len(chosen) == 0 {
		return answers, 0, func() {}, nil
	}
	built, err := d.g.assemble(ctx, d.c, a.build)
	if err != nil {
		return nil, 0, nil, err
	}
	ctx, d.span = d.g.beginMessage(ctx, d.c, a, built)
	d.size = len(built.data)
	m := target.Message{ID: d.c.EventID, Data: built.data, Attributes: d.g.attributes(ctx, d.c, built.form)}
	for _, i := range chosen {
		go func() { answers <- answer{i, d.send(ctx, d.c.Targets[i].Name, m)} }()
	}
	return answers, len(chosen), built.done, nil
}

// errAway is the failure of a target that did not answer a moment ago. It is no attempt.
var errAway = errors.New("it did not answer a moment ago")

// errLeft is the failure of an attempt that was cut off, so its outcome is not known.
var errLeft = errors.New("the attempt was cut off")

// errUnknown is the failure of a target that is not in the configuration: not any more, or
// not yet.
var errUnknown = &target.Failure{Message: "the configuration has no such target"}

func (d *delivery) send(ctx context.Context, name string, m target.Message) error {
	r := d.g.receiver(name)
	switch {
	case r == nil:
		return errUnknown
	case !d.replay && !d.g.elapsed(&r.away, busRest):
		return errAway
	}
	attempt, cancel := context.WithTimeout(ctx, d.g.patience(r, d.c.Attempts))
	defer cancel()
	err := r.send.Send(attempt, m)
	if err != nil && ctx.Err() != nil { // not the target's fault: whoever asked for the attempt has left
		return errLeft
	}
	return err
}

// take changes the state of the target that answered.
func (d *delivery) take(a answer) {
	t := &d.c.Targets[a.at]
	if a.err != nil {
		d.errs = append(d.errs, targetError{t.Name, a.err})
	}
	switch {
	case t.Delivered(): // a replay
	case errors.Is(a.err, errAway), errors.Is(a.err, errLeft):
		t.LastError, t.NextAttempt = a.err.Error(), d.g.clock().Add(busRest)
	case errors.Is(a.err, errUnknown):
		d.unknown(t, a.err)
	default:
		waited := pending(*t)
		if *t = d.g.settled(d.g.receiver(t.Name), *t, a.err); waited && t.GivenUp() {
			d.g.log.Error("a target is given up: send the message again with replay?target= once it can take it",
				"target", t.Name, "eventID", d.c.EventID, "claimID", d.c.ID, "attempts", t.Attempts, "error", a.err)
		} else if !waited && !t.Delivered() {
			t.NextAttempt = time.Time{} // given up before: a replay that fails makes no further attempts
		}
	}
}

// unknown changes the state of a target that this instance's configuration does not have. It
// leaves a target of a young message to an instance that has it, and gives up one that was
// removed.
func (d *delivery) unknown(t *store.Target, err error) {
	again := d.g.clock().Add(busRest)
	switch {
	case t.GivenUp():
	case again.Sub(d.c.Date) < unknownFor:
		t.LastError, t.NextAttempt = err.Error(), again
	default:
		t.LastError, t.NextAttempt = err.Error(), time.Time{}
		d.g.log.Error("a target is given up, because it left the configuration", "target", t.Name, "eventID", d.c.EventID, "claimID", d.c.ID)
	}
}

// everybodyHas reports whether every topic and endpoint has the message. A sync starts when
// it can: nobody waits for the one that is at work.
func (d *delivery) everybodyHas() bool {
	return !slices.ContainsFunc(d.c.Targets, func(t store.Target) bool {
		r := d.g.receiver(t.Name)
		return !t.Delivered() && (r == nil || r.kind != aSync)
	})
}

// record stores the states of the targets while others have not answered yet. The attempt
// keeps its lease.
func (d *delivery) record(ctx context.Context) {
	if d.c.State == store.Claimed {
		d.settle(ctx, store.Outcome{NextAttempt: d.c.NextAttempt, Error: d.c.LastError, Targets: d.c.Targets})
	}
}

// finish stores the outcome of the attempt.
func (d *delivery) finish(ctx context.Context) {
	if d.c.State == store.Published { // a replay changes nothing of it
		return
	}
	now := d.g.clock()
	out := store.Outcome{Size: cmp.Or(int64(d.size), d.c.Size), ExpireAt: whole(d.g.time.After(d.g.retention())), Targets: d.c.Targets, Parts: d.c.Parts}
	next, failed := time.Time{}, []string(nil)
	for _, t := range d.c.Targets {
		if !t.Delivered() {
			failed = append(failed, t.Name+": "+t.LastError)
		}
		if pending(t) && (next.IsZero() || t.NextAttempt.Before(next)) {
			next = t.NextAttempt
		}
	}
	switch {
	case len(failed) == 0:
		out.PublishedAt = now
	case next.IsZero():
		out.Failed, out.Error = true, strings.Join(failed, "; ")
	case d.replay: // the outbox's own attempts go on as they would have
		out.NextAttempt, out.Error = d.c.NextAttempt, d.c.LastError
	default:
		out.NextAttempt, out.Error = next, strings.Join(failed, "; ")
	}
	d.settle(ctx, out)
}

// settle stores an outcome, also if ctx has ended: a target that has the message would get
// it again.
func (d *delivery) settle(ctx context.Context, out store.Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if err := d.g.store.Settle(ctx, d.g.svc.ServiceName, d.c.ID, out); err != nil {
		d.g.log.Error("the outcome of a publication could not be recorded; the message may be published again, with the same eventID",
			"eventID", d.c.EventID, "claimID", d.c.ID, "error", err)
	} else {
		d.g.logMessage(ctx, d.c, out)
	}
	d.g.changed()
}

// Package simulation plays events to the gate of a configuration, in virtual time. The gate
// is the real use case, on a store in memory and a bus that only listens. So it decides as
// a deployment does, and nothing else is written or sent.
//
// Time jumps: to the next event, or to the next instant before it at which a window closes,
// an event leaves its window, or a sweep has something to find. What a deployment does
// within a second of its time, a simulation does at the instant.
//
// These invariants hold:
//
//   - The same configuration and events give the same lines in the same order. Ids are those
//     of the events, and nothing reads the machine's clock.
//   - Memory holds what is open: events that wait, the deadlines of their keys, and the names
//     of events and their messages for as long as the gate remembers them. It does not grow
//     with the number of events that were played.
//
// An error ends a simulation: an event that cannot be read, or one that ctx ended. An event
// that the rules refuse is a line.
package simulation

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store/memorystore"
)

const (
	// warmUp is the time for which the clock has run before the first event. The gate deletes
	// nothing by a younger clock.
	warmUp = 2 * clock.Grace
	// sweepEvery is the shortest time between two sweeps, as schedulers of deployments make it.
	sweepEvery = time.Minute
	// longestEnd bounds the time after the last event. No window lasts longer.
	longestEnd = 3 * 366 * 24 * time.Hour
	// purgeEvery is the time between sweeps that only delete expired data.
	purgeEvery = 6 * time.Hour
)

// Options of a simulation.
type Options struct {
	// Until ends it at that instant. Zero: it ends when the events have ended and nothing
	// waits any more that time alone would end; with expectations, at their next instant.
	Until time.Time
}

// Summary counts what became of the events.
type Summary struct {
	Events, Duplicates, Filtered, Dropped, Superseded, Refused int
	Waiting                                                    int // at the end
	First, Last                                                time.Time
}

// Run plays the events, which are in the order of time, to the service's gate. It calls emit
// for each line, in order.
func Run(ctx context.Context, svc config.Service, events iter.Seq2[Event, error], o Options, emit func(*Line) error) (Summary, error) {
	s := newSimulator(ctx, svc, emit)
	defer s.close()
	err := s.play(events, o.Until)
	if err == nil {
		err = s.end(o.Until)
	}
	s.summary.Waiting = s.store.Waits(svc.ServiceName)
	return s.summary, err
}

type simulator struct {
	ctx     context.Context
	svc     config.Service
	gate    *gate.Gate
	store   *memorystore.Store
	emit    func(*Line) error
	summary Summary

	now       atomic.Int64 // Unix microseconds
	began     int64
	deadlines deadlines
	retention time.Duration
	closes    bool      // windows have an end
	swept     time.Time // the last sweep
	sweeping  bool
	reset     time.Time // the next reset that is not swept yet; zero: none
	expected  time.Time // the next instant of an expectation; zero: none

	step   int
	noting sync.Mutex        // guards what the recorder notes: the gate looks at several keys at once
	facts  facts             // of the step under way
	labels map[string]string // of events that their file calls otherwise
	lines  []*Line           // that may be preceded by lines to come
	claims claimTimes        // of a service that keeps its events
}

func newSimulator(ctx context.Context, svc config.Service, emit func(*Line) error) *simulator {
	s := &simulator{ctx: ctx, svc: prepared(svc), emit: emit, labels: map[string]string{}}
	s.store = memorystore.New(memorystore.Options{Forget: !svc.Trigger.KeepEventAfterTrigger, Claims: len(svc.Expect) > 0})
	return s
}

// start makes the gate, at a time before the first event. Nothing is expected before that.
func (s *simulator) start(first time.Time) error {
	s.began = first.Add(-warmUp).UnixMicro()
	s.now.Store(s.began)
	s.gate = gate.New(s.svc, gate.Options{
		Store: &recorder{s.store, s}, Docs: &documents{s.store, s}, Bus: &listener{}, Alone: true, Log: slog.New(slog.DiscardHandler),
		Clock: clock.New(clock.Options{
			Wall: func() time.Time { return time.UnixMicro(s.now.Load()).UTC() },
			Mono: func() time.Duration { return time.Duration(s.now.Load()-s.began) * time.Microsecond },
		}),
	})
	s.closes, s.retention = s.gate.Closes(), s.gate.Retention()
	s.now.Store(first.UnixMicro())
	s.swept = first
	s.reset = s.gate.NextReset(first.Add(-time.Nanosecond))
	s.summary.First = first
	return s.expect()
}

// prepared returns the service as it is simulated: it waits for its checks, so that one
// event comes after the other, and it has nobody to send anything to.
func prepared(svc config.Service) config.Service {
	svc.AsyncEventTrigger = false
	svc.OnMessage, svc.Targets, svc.Timers = nil, nil, nil
	if svc.Alerts != nil {
		svc.Alerts = &config.Alerts{}
	}
	return svc
}

func (s *simulator) close() {
	if s.gate != nil {
		_ = s.gate.Close(context.WithoutCancel(s.ctx))
	}
}

func (s *simulator) time() time.Time { return time.UnixMicro(s.now.Load()).UTC() }

// play plays the events that are received before until.
func (s *simulator) play(events iter.Seq2[Event, error], until time.Time) error {
	var batch []Event
	for e, err := range events {
		if err != nil {
			return err
		}
		if s.gate == nil {
			if err := s.start(e.At); err != nil {
				return err
			}
		}
		if !until.IsZero() && !e.At.Before(until) {
			break
		}
		if len(batch) > 0 && !(e.Recorded && batch[0].Recorded && e.At.Equal(batch[0].At)) {
			if err := s.ingest(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		batch = append(batch, e)
	}
	if len(batch) == 0 {
		return nil
	}
	return s.ingest(batch)
}

// pass lets time pass until the instant, and does what is due meanwhile.
func (s *simulator) pass(to time.Time) error {
	for {
		at, do, ok := s.due()
		if !ok || at.After(to) {
			break
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
		s.set(at)
		s.begin()
		if err := do(); err != nil {
			return err
		}
		if err := s.finish(); err != nil {
			return err
		}
	}
	s.set(to)
	return nil
}

// set sets the clock, which never goes back.
func (s *simulator) set(at time.Time) { s.now.Store(max(s.now.Load(), at.UnixMicro())) }

// due returns the next instant at which something is to be done, and what.
func (s *simulator) due() (at time.Time, do func() error, ok bool) {
	if d, found := s.deadlines.next(); found {
		at, do, ok = d.at, func() error { return s.look(d) }, true
	}
	if sweep, found := s.nextSweep(); found && (!ok || sweep.Before(at)) {
		at, do, ok = sweep, s.sweep, true
	}
	// A message of this instant is published after it.
	if !s.expected.IsZero() && (!ok || !s.expected.After(at)) {
		at, do, ok = s.expected, s.expect, true
	}
	return at, do, ok
}

// look lets the gate look at the windows of a key, one of which may close now.
func (s *simulator) look(d *deadline) error {
	s.deadlines.remove(d.key)
	var key *string
	if s.svc.Correlation != nil {
		key = &d.key
	}
	if _, err := s.gate.Check(s.ctx, key); err != nil {
		return err
	}
	next, err := s.gate.NextClose(s.ctx, d.key)
	if err == nil && !next.IsZero() {
		s.deadlines.set(d.key, next)
	}
	return err
}

// nextSweep returns the next instant at which a sweep has something to do.
func (s *simulator) nextSweep() (at time.Time, ok bool) {
	earlier := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	if first, waits := s.earliest(); waits {
		if !s.closes {
			earlier(first)
		}
		if !s.reset.IsZero() {
			earlier(s.reset)
		}
		if ok {
			at = at.Add(clock.Skew) // sweeps grant the clocks of others as much
		}
	}
	if s.svc.Trigger.KeepEventAfterTrigger && s.store.Held(s.svc.ServiceName) > 0 {
		earlier(s.swept.Add(purgeEvery))
	}
	if next := s.swept.Add(sweepEvery); ok && at.Before(next) {
		at = next
	}
	return at, ok
}

// sweep lets the gate sweep.
func (s *simulator) sweep() error {
	s.swept = s.time()
	s.sweeping = true
	_, err := s.gate.Sweep(s.ctx)
	s.sweeping = false
	for !s.reset.IsZero() && !s.reset.Add(clock.Skew).After(s.swept) {
		s.reset = s.gate.NextReset(s.reset)
	}
	return err
}

// expect lets the gate evaluate what is expected by now. Claims that were made until now are
// not needed for a later instant.
func (s *simulator) expect() error {
	if len(s.svc.Expect) == 0 {
		return nil
	}
	if err := s.gate.Expect(s.ctx); err != nil {
		return err
	}
	now := s.time()
	s.expected = s.gate.NextExpected(now)
	if !s.svc.Trigger.KeepEventAfterTrigger {
		s.store.DropClaims(s.svc.ServiceName, now)
	}
	return nil
}

// earliest returns the first instant at which an event that waits may leave its window or
// close it.
func (s *simulator) earliest() (at time.Time, ok bool) {
	first, ok := s.store.Earliest(s.svc.ServiceName)
	if !ok {
		return time.Time{}, false
	}
	return s.gate.Earliest(first), true
}

// end lets time pass until the end. What is expected after the last event counts once.
func (s *simulator) end(until time.Time) error {
	if s.gate == nil {
		return nil
	}
	for until.IsZero() {
		at, _, ok := s.due()
		if !ok || s.store.Waits(s.svc.ServiceName) == 0 || at.Sub(s.summary.Last) > longestEnd {
			break
		}
		if err := s.pass(at); err != nil {
			return err
		}
	}
	if until.IsZero() && !s.expected.IsZero() && s.store.Waits(s.svc.ServiceName) == 0 {
		if err := s.pass(s.expected); err != nil {
			return err
		}
	}
	if !until.IsZero() {
		if err := s.pass(until.Add(-time.Microsecond)); err != nil {
			return err
		}
	}
	return s.flush(time.Time{})
}

// flush emits the lines before the instant; zero: all.
func (s *simulator) flush(before time.Time) error {
	sortLines(s.lines)
	n := 0
	for n < len(s.lines) && (before.IsZero() || s.lines[n].At.Before(before)) {
		if err := s.emit(s.lines[n]); err != nil {
			return err
		}
		n++
	}
	s.lines = append(s.lines[:0], s.lines[n:]...)
	return nil
}

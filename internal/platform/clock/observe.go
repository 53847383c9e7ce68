package clock

import (
	"context"
	"errors"
	"time"
)

const (
	// The store is asked for its time every observeEvery, and again after observeRetry
	// if it did not answer.
	observeEvery, observeRetry = 5 * time.Minute, 5 * time.Second
)

// opinion states what is known about the store's own time: nothing yet, that it has
// none, or that it decides.
type opinion int

const (
	unasked opinion = iota
	none
	decides
)

// question is one request for the store's time. One caller makes it, and others may
// wait for its answer.
type question struct {
	done chan struct{}
	// Valid once done:
	err  error
	left bool // the asking caller's context ended before the answer came
}

// Observed reports whether the store has answered the first request for its time.
func (s *Steady) Observed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store != unasked
}

func (s *Steady) toObserve(at time.Duration) bool {
	return s.store == unasked || s.store == decides && (s.doubt || at-s.observedAt >= observeEvery)
}

// Observe asks for the store's own time when that is due: at the beginning, after a
// jump of the machine's clock, and every few minutes. If the two times differ, it sets
// the clock to the store's. ask returns false if the store has no time of its own; it
// is then not asked again.
//
// One caller asks. Others wait for its answer only while the clock may be wrong. After
// a failure the store is left alone for a few seconds, unless it has never answered.
func (s *Steady) Observe(ctx context.Context, ask func(context.Context) (time.Time, bool, error)) error {
	if s.alone.Load() {
		return nil
	}
	for {
		q, ours, sent := s.question()
		switch {
		case q == nil:
			return nil
		case ours:
			return s.ask(ctx, q, sent, ask)
		}
		select {
		case <-q.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !q.left { // otherwise nobody has an answer: ask again
			return q.err
		}
	}
}

// question returns the question to wait for, and reports whether the caller has to put
// it to the store itself. A nil question means that there is nothing to wait for.
func (s *Steady) question() (q *question, ours bool, at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _ = s.look()
	switch {
	case !s.toObserve(at):
		return nil, false, at
	case s.asked != nil && (s.store == unasked || s.doubt):
		return s.asked, false, at
	case s.asked != nil, s.store != unasked && at-s.failed < observeRetry:
		return nil, false, at
	}
	s.asked = &question{done: make(chan struct{})}
	return s.asked, true, at
}

func (s *Steady) ask(ctx context.Context, q *question, sent time.Duration, ask func(context.Context) (time.Time, bool, error)) (err error) {
	var theirs time.Time
	var has bool
	err = errors.New("the request for the store's time did not finish")
	defer func() { s.answer(q, sent, theirs, has, err) }() // others wait for it, so it must come even if ask panics
	theirs, has, err = ask(ctx)
	q.left = err != nil && ctx.Err() != nil
	return err
}

// answer ends the question and sets the clock to the store's time.
func (s *Steady) answer(q *question, sent time.Duration, theirs time.Time, has bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(q.done)
	q.err, s.asked = err, nil
	if err != nil {
		if !q.left {
			s.failed, _ = s.look()
		}
		return
	}
	s.doubt = false
	at, now := s.look() // sets doubt again if the machine's clock jumped meanwhile
	if !has {
		s.store = none
		s.alone.Store(true)
		return
	}
	first := s.store != decides
	s.store, s.observedAt, s.failed, s.claimed = decides, at, at-observeRetry, false
	// The store read its clock at some moment between our two readings; take the middle.
	zero, within := theirs.Add(-(sent+at)/2), tolerance+(at-sent)/2
	if near(now.Add(-at), zero, within) {
		return
	}
	if near(s.last, zero, within) {
		zero = s.last // the two agree; the machine's clock has the finer resolution
	}
	if first { // nothing has been stamped yet, so there is no earlier setting to remember
		s.spans = []span{{at, zero}}
		return
	}
	s.set(at, zero)
}

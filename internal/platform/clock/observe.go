package clock

import (
	"context"
	"errors"
	"time"
)

const (
	// observeEvery is how often the store is asked for its own time, and observeRetry
	// how soon again if it did not answer.
	observeEvery, observeRetry = 5 * time.Minute, 5 * time.Second
)

// opinion says whether the store has a time of its own.
type opinion int

const (
	unasked opinion = iota
	none
	decides
)

// question is put to the store by one caller; others may wait for its answer.
type question struct {
	done chan struct{}
	// Valid once done:
	err  error
	left bool // the caller that asked did not wait for the answer
}

// Observed reports whether the store has been asked for its time.
func (s *Steady) Observed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store != unasked
}

func (s *Steady) toObserve(at time.Duration) bool {
	return s.store == unasked || s.store == decides && (s.doubt || at-s.observed >= observeEvery)
}

// Observe asks for the store's own time when that is due: at the beginning, after a
// jump, and every few minutes. It sets the clock by it if the two differ. ask returns
// false if the store has no time: then it is not asked again.
//
// One caller asks. Others wait for its answer only where the clock may be wrong until
// it comes. A store that does not answer is not asked for a while, unless it never did.
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
		if !q.left { // else ask again
			return q.err
		}
	}
}

// question returns what the store is asked, and whether the caller is to ask it; nil:
// there is nothing to ask or to wait for.
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
	err = errors.New("the store was not asked to the end")
	defer func() { s.answer(q, sent, theirs, has, err) }() // others wait, even if ask panics
	theirs, has, err = ask(ctx)
	q.left = err != nil && ctx.Err() != nil
	return err
}

// answer sets the clock by what the store answered.
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
	at, now := s.look() // which is in doubt again if the clock jumped meanwhile
	if !has {
		s.store = none
		s.alone.Store(true)
		return
	}
	first := s.store != decides
	s.store, s.observed, s.failed, s.claimed = decides, at, at-observeRetry, false
	// The store looked at its clock between the two looks at ours.
	zero, within := theirs.Add(-(sent+at)/2), tolerance+(at-sent)/2
	if near(now.Add(-at), zero, within) {
		return
	}
	if near(s.last, zero, within) {
		zero = s.last // the machine's clock is right, and finer
	}
	if first { // nothing has been stamped yet
		s.spans = []span{{at, zero}}
		return
	}
	s.set(at, zero)
}

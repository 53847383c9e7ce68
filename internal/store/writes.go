package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Writes remembers how a driver's last write ended, for its Writable: as long as
// commits succeed, nobody needs to try one. The driver reports every commit that
// shows whether the store takes writes, and none that shows nothing, such as one
// that a condition refused.
type Writes struct {
	// Fresh is for how long a success counts. Then Writable tries a write.
	Fresh time.Duration
	// Retry is how long Writable waits after a failed try before the next; until
	// then it answers with the failure.
	Retry time.Duration
	// Now returns the time by which both are measured; nil: time.Now.
	Now func() time.Time

	mu     sync.Mutex
	ended  time.Time // when the last write did; zero: none yet
	err    error     // of the last write
	tried  time.Time // when a try last ended
	trying *try      // the try under way
}

// longestTry bounds a try: a store that takes longer for a tiny write is not ready.
const longestTry = 4 * time.Second

type try struct {
	done chan struct{}
	err  error
}

func (w *Writes) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// Ended reports how a write ended.
func (w *Writes) Ended(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended, w.err = w.now(), err
}

// Writable returns nil if a write succeeded not longer than Fresh ago and none
// failed since. Otherwise it calls write, which must write something durable, and
// returns its error. Callers at the same time share one try, so a caller that leaves
// does not end it; a failed one is not repeated before Retry has passed.
func (w *Writes) Writable(ctx context.Context, write func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	switch {
	case !w.ended.IsZero() && w.err == nil && w.now().Sub(w.ended) < w.Fresh:
		w.mu.Unlock()
		return nil
	case w.err != nil && !w.tried.IsZero() && w.now().Sub(w.tried) < w.Retry:
		defer w.mu.Unlock()
		return w.err
	case w.trying != nil:
		other := w.trying
		w.mu.Unlock()
		select {
		case <-other.done:
			return other.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t := &try{done: make(chan struct{})}
	w.trying = t
	w.mu.Unlock()

	defer func() { // also after a panic, or everybody would wait for this try from then on
		w.mu.Lock()
		w.trying = nil
		w.ended, w.err = w.now(), t.err
		w.tried = w.ended
		w.mu.Unlock()
		close(t.done)
	}()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestTry)
	defer cancel()
	t.err = errUnfinished
	t.err = write(bounded)
	return t.err
}

var errUnfinished = errors.New("the write that was tried did not return")

package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Writes remembers how a driver's last write ended, for the driver's Writable. As long as
// commits succeed, no probe has to write anything. The driver reports every commit that
// shows whether the store takes writes. It does not report a commit that shows nothing,
// such as one that a condition refused.
type Writes struct {
	// Fresh is the time for which a success counts. After it, Writable tries a write.
	Fresh time.Duration
	// Retry is the time between a failed try and the next. Until then Writable returns the
	// failure.
	Retry time.Duration
	// Now returns the time by which both are measured; nil means time.Now.
	Now func() time.Time

	mu      sync.Mutex
	endedAt time.Time // when the last write ended; zero: none yet
	err     error     // of the last write
	tried   time.Time // when the last try ended
	trying  *try      // the try under way
}

// longestTry bounds a try. A store that takes longer for a tiny write is not ready.
const longestTry = 4 * time.Second

type try struct {
	done chan struct{}
	err  error
}

func (w *Writes) instant() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// Ended records how a write ended.
func (w *Writes) Ended(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endedAt, w.err = w.instant(), err
}

// Writable returns nil if a write succeeded within Fresh and none has failed since.
// Otherwise it calls write, which must write something durable, and returns its error.
// Concurrent callers share one try, so the try continues if the caller that started it
// leaves. A failed try is repeated only after Retry.
func (w *Writes) Writable(ctx context.Context, write func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	switch {
	case !w.endedAt.IsZero() && w.err == nil && w.instant().Sub(w.endedAt) < w.Fresh:
		w.mu.Unlock()
		return nil
	case w.err != nil && !w.tried.IsZero() && w.instant().Sub(w.tried) < w.Retry:
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

	defer func() { // after a panic too, or every later caller would wait for this try
		w.mu.Lock()
		w.trying = nil
		w.endedAt, w.err = w.instant(), t.err
		w.tried = w.endedAt
		w.mu.Unlock()
		close(t.done)
	}()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestTry)
	defer cancel()
	t.err = errUnfinished
	t.err = write(bounded)
	return t.err
}

// errUnfinished is the result of a try that panicked.
var errUnfinished = errors.New("the test write did not return")

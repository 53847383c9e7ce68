package sqlitestore

import (
	"context"
	"time"

	"github.com/gofrs/flock"
)

const (
	// longestYield bounds the time that a write yields to other processes. A process that
	// is suspended while it waits must not stop the others.
	longestYield = 250 * time.Millisecond
	// lookEvery is the time between two looks for waiting processes. lookLater is the time
	// to the next look after a process did not use its turn.
	lookEvery, lookLater = 10 * time.Millisecond, time.Second
)

// turns lets processes write in turn. SQLite has no queue: a waiting process polls the lock.
// A process that begins a transaction right after its last one would take the lock again
// each time, until the other gives up. So a process that has to wait takes a shared lock on
// waitingFile. The others see that lock, and begin no transaction before the waiting process
// had its turn.
//
// If the file cannot be opened, processes still exclude each other, but may starve.
type turns struct {
	waiting  *flock.Flock
	yield    time.Duration // bounds the time to yield to other processes
	patience time.Duration // bounds the time to wait for the file
	next     time.Time     // of the next look for waiting processes
}

func newTurns(path string) *turns {
	t := &turns{waiting: newLock(waitingFile(path)), yield: longestYield, patience: busyTimeout}
	if ok, _ := t.waiting.TryRLock(); ok { // creates the file
		_ = t.waiting.Unlock()
	}
	_ = adopt(waitingFile(path), path)
	return t
}

// begin calls try, which begins a transaction, until try succeeds. It gives up after
// t.patience, or when ctx ends.
func (t *turns) begin(ctx context.Context, try func() error) error {
	t.yieldToWaiting(ctx)
	err := try()
	if !isBusy(err) {
		return err
	}
	defer func() { _ = t.waiting.Unlock() }()
	return patiently(ctx, t.patience, func() error {
		if !t.waiting.RLocked() {
			_, _ = t.waiting.TryRLock() // fails while another process looks for waiting ones; retried next time
		}
		return try()
	})
}

// yieldToWaiting returns when no other process waits to write, or after t.yield.
func (t *turns) yieldToWaiting(ctx context.Context) {
	began := time.Now()
	if began.Before(t.next) {
		return
	}
	for time.Since(began) < t.yield {
		if alone, err := t.waiting.TryLock(); alone || err != nil {
			_ = t.waiting.Unlock()
			t.next = time.Now().Add(lookEvery)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.next = time.Now().Add(lookLater)
}

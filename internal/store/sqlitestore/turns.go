package sqlitestore

import (
	"context"
	"time"

	"github.com/gofrs/flock"
)

const (
	// longestYield bounds how long a write gives way to other processes. One that waits
	// and is suspended must not stop the rest.
	longestYield = 250 * time.Millisecond
	// lookEvery is how often a write looks whether another process waits, and lookLater
	// how soon again after it gave way in vain.
	lookEvery, lookLater = 10 * time.Millisecond, time.Second
)

// turns lets processes write one after the other. SQLite has no queue: a process
// that begins its next transaction right after its last one would shut out another
// one, which looks for the lock only now and then, until that gives up. So a process
// that has to wait shares the lock of waitingFile, and the others begin nothing
// before it had its turn.
//
// Without that lock, if the file cannot be opened, only the order suffers.
type turns struct {
	waiting  *flock.Flock
	yield    time.Duration // to others
	patience time.Duration // with them
	next     time.Time     // when to look whether any wait
}

func newTurns(path string) *turns {
	t := &turns{waiting: newLock(waitingFile(path)), yield: longestYield, patience: busyTimeout}
	if ok, _ := t.waiting.TryRLock(); ok { // the file is there from now on
		_ = t.waiting.Unlock()
	}
	_ = adopt(waitingFile(path), path)
	return t
}

// begin calls try, which begins a transaction, until no other process has the file,
// or its patience ends.
func (t *turns) begin(ctx context.Context, try func() error) error {
	t.giveWay(ctx)
	err := try()
	if !isBusy(err) {
		return err
	}
	defer func() { _ = t.waiting.Unlock() }()
	return patiently(ctx, t.patience, func() error {
		if !t.waiting.RLocked() {
			_, _ = t.waiting.TryRLock() // fails while another process looks who waits: then the next time
		}
		return try()
	})
}

// giveWay returns once no other process waits, or it has waited for long.
func (t *turns) giveWay(ctx context.Context) {
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

// Package budget bounds the memory that callers can make this process hold.
//
// A Budget is a number of bytes. Code that is about to hold memory for a caller
// first takes that many bytes from a budget, and returns them when the memory is
// free. It takes a high estimate that covers all copies that the work makes. The sum
// of all budgets then stays below the memory limit of the process: an overloaded
// process answers some requests with 503 instead of being killed by the kernel.
//
// A nil Budget has no bound, and a nil Hold holds nothing.
package budget

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/headgate/headgate/internal/platform/fault"
)

// wait bounds how long a caller waits for memory before it is told to retry. It is
// short because the connection of a waiting caller costs memory too.
const wait = 3 * time.Second

// turnWait bounds how long a hold that already has memory waits for its turn to wait
// for more. It is shorter than wait, so that the other holds give up and free their
// memory while the hold whose turn it is still waits for it.
const turnWait = time.Second

// Budget is a number of bytes that holders share. It serves callers first come, first
// served, so that small requests cannot starve a large one.
type Budget struct {
	total int64
	free  *semaphore.Weighted
	used  atomic.Int64
	turn  chan struct{} // holds one value while a hold extends itself
}

// New returns a budget of that many bytes.
func New(total int64) *Budget {
	return &Budget{total: total, free: semaphore.NewWeighted(total), turn: make(chan struct{}, 1)}
}

// Total returns the size of the budget in bytes; 0 means no bound.
func (b *Budget) Total() int64 {
	if b == nil {
		return 0
	}
	return b.total
}

// Used returns how many bytes are taken now.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Try takes n bytes if they are free now.
func (b *Budget) Try(n int64) bool {
	if b == nil {
		return true
	}
	if !b.free.TryAcquire(n) {
		return false
	}
	b.used.Add(n)
	return true
}

// Take takes n bytes, and waits a few seconds for them. It returns TooLarge if the
// whole budget is smaller, and Unavailable if the bytes were not free in time.
func (b *Budget) Take(ctx context.Context, n int64) error {
	if b.Try(n) {
		return nil
	}
	if n > b.total {
		return fault.New(fault.TooLarge, "this needs %d MiB of memory, and this process has %d MiB for it", mib(n), b.total>>20)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := b.free.Acquire(waiting, n); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			err = ctx.Err()
		}
		return inUse(err)
	}
	b.used.Add(n)
	return nil
}

func inUse(cause error) error {
	f := fault.Wrap(fault.Unavailable, cause, "the memory for this is in use; send the request again")
	f.RetryAfter = wait
	return f
}

// Wait takes n bytes, or the whole budget if that is smaller, and waits for them until
// ctx ends. It returns how many bytes it took.
func (b *Budget) Wait(ctx context.Context, n int64) (int64, error) {
	if b == nil {
		return 0, nil
	}
	n = min(n, b.total)
	if err := b.free.Acquire(ctx, n); err != nil {
		return 0, err
	}
	b.used.Add(n)
	return n, nil
}

// mib returns n in MiB, rounded up: "0 MiB are too many" would confuse.
func mib(n int64) int64 { return (n + 1<<20 - 1) >> 20 }

// Give returns n taken bytes to the budget.
func (b *Budget) Give(n int64) {
	if b == nil {
		return
	}
	b.used.Add(-n)
	b.free.Release(n)
}

// Hold is the part of a budget that one request has taken. It begins with one owner,
// and Share adds others; the last Release returns all bytes to the budget. Grow and
// Shrink must not be called concurrently.
type Hold struct {
	budget *Budget
	owners atomic.Int32
	bytes  int64
}

// Hold returns an empty hold with one owner.
func (b *Budget) Hold() *Hold {
	if b == nil {
		return nil
	}
	h := &Hold{budget: b}
	h.owners.Store(1)
	return h
}

// Bytes returns how many bytes are held.
func (h *Hold) Bytes() int64 {
	if h == nil {
		return 0
	}
	return h.bytes
}

// Fits returns TooLarge if the budget is too small for the hold and n bytes more, so
// that waiting would be useless.
func (h *Hold) Fits(n int64) error {
	if h == nil || h.bytes+n <= h.budget.total {
		return nil
	}
	return fault.New(fault.TooLarge, "this needs %d MiB of memory, and this process has %d MiB for it", mib(h.bytes+n), h.budget.total>>20)
}

// Grow takes n bytes more, as Take does. If it fails, the hold keeps what it has.
func (h *Hold) Grow(ctx context.Context, n int64) error {
	if h == nil {
		return nil
	}
	if err := h.Fits(n); err != nil {
		return err
	}
	if err := h.budget.Take(ctx, n); err != nil {
		return err
	}
	h.bytes += n
	return nil
}

// Extend grows the hold by n bytes. It is for work that takes memory in steps, and whose
// caller releases the hold if it fails. Holds that wait for each other's memory would
// all time out together. So only one hold at a time waits the whole time; the others
// fail sooner, and the one that waits gets the memory that they release.
func (h *Hold) Extend(ctx context.Context, n int64) error {
	if h == nil {
		return nil
	}
	if err := h.Fits(n); err != nil {
		return err
	}
	if h.budget.Try(n) {
		h.bytes += n
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	select {
	case h.budget.turn <- struct{}{}:
		defer func() { <-h.budget.turn }()
		return h.Grow(ctx, n)
	case <-waiting.Done():
		if ctx.Err() != nil {
			return inUse(ctx.Err())
		}
		return inUse(waiting.Err())
	}
}

// Resize sets the size of the hold to n bytes, or to the whole budget if that is
// smaller. Work that must not fail for want of memory then runs alone.
func (h *Hold) Resize(ctx context.Context, n int64) error {
	if h == nil {
		return nil
	}
	n = min(n, h.budget.total)
	if n > h.bytes {
		return h.Grow(ctx, n-h.bytes)
	}
	h.Shrink(n)
	return nil
}

// Shrink returns all but n bytes of the hold to the budget.
func (h *Hold) Shrink(n int64) {
	if h == nil || n >= h.bytes {
		return
	}
	h.budget.Give(h.bytes - n)
	h.bytes = n
}

// Share adds an owner and returns h. The bytes stay taken until the new owner has
// called Release, too.
func (h *Hold) Share() *Hold {
	if h != nil {
		h.owners.Add(1)
	}
	return h
}

// Release ends the ownership of the caller. Each owner must call it once.
func (h *Hold) Release() {
	if h != nil && h.owners.Add(-1) == 0 {
		h.budget.Give(h.bytes)
		h.bytes = 0
	}
}

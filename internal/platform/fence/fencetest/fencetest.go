// Package fencetest has a fence that begins to refuse after some writes, for tests of
// code that writes to a system outside.
package fencetest

import (
	"context"
	"errors"
	"sync"

	"github.com/headgate/headgate/internal/platform/fence"
)

// ErrTurned is the reason that a Fence gives once it refuses.
var ErrTurned = errors.New("another process took over")

// Fence allows some writes and refuses all later ones. Its methods may be called
// concurrently.
type Fence struct {
	mu    sync.Mutex
	left  int
	asked int
	then  func()
}

// New returns a fence that allows that many writes. It calls then once, before it
// refuses the first write; then may be nil.
func New(writes int, then func()) *Fence { return &Fence{left: writes, then: then} }

// In returns a context that carries the fence.
func (f *Fence) In(ctx context.Context) context.Context { return fence.With(ctx, f.check) }

// Turn makes the fence refuse every write from now on.
func (f *Fence) Turn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = 0
}

// Asked returns how often a writer asked the fence.
func (f *Fence) Asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *Fence) check(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.left > 0 {
		f.left--
		return nil
	}
	if f.then != nil {
		f.then()
		f.then = nil
	}
	return ErrTurned
}

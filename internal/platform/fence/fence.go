// Package fence keeps a process from writing to a system outside after another
// process may have taken over its work.
//
// A lease alone cannot do that: a process that is stopped for longer than its lease
// lasts (SIGSTOP, a suspended machine, a long pause of the garbage collector) goes on
// in the middle of whatever it did. So the writer asks the fence right before each
// write: before the bytes of a request leave, before a statement and before its COMMIT,
// before a file is renamed. What remains is a write that has already left.
//
// The fence travels with the context, like a deadline, so that no layer between the
// lease and the write can forget it.
package fence

import (
	"context"
	"errors"
)

// Check returns why nothing may be written any more, or nil. It may be called from
// several goroutines, and may ask the store.
type Check func(ctx context.Context) error

type key struct{}

// With returns a context in which writes are allowed only while check returns nil.
func With(ctx context.Context, check Check) context.Context {
	return context.WithValue(ctx, key{}, check)
}

// In returns the context's check; nil: nothing fences it.
func In(ctx context.Context) Check {
	check, _ := ctx.Value(key{}).(Check)
	return check
}

// Allow returns nil if a write may leave now, and a *Refusal if it may not. Call it
// right before the write, with nothing that waits in between.
func Allow(ctx context.Context) error {
	check := In(ctx)
	if check == nil {
		return nil
	}
	if err := check(ctx); err != nil {
		return &Refusal{Reason: err}
	}
	return nil
}

// Refusal says that a write was refused: it has not left the process.
type Refusal struct{ Reason error }

func (r *Refusal) Error() string { return "fence: not written: " + r.Reason.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Reason }

// Refused reports whether the error comes from a write that a fence refused.
func Refused(err error) bool {
	_, ok := errors.AsType[*Refusal](err)
	return ok
}

// Package fence keeps a process from writing to a system outside after another
// process may have taken over its work.
//
// A lease alone cannot do that. A process may be stopped for longer than its lease
// lasts: by SIGSTOP, by a suspended machine, by a long pause of the garbage collector.
// It then resumes in the middle of its work, while another process holds the lease. So
// the writer asks the fence right before each write: before the bytes of a request
// leave, before a statement and before its COMMIT, before a file is renamed. The fence
// cannot stop a write that has already left.
//
// The fence travels with the context, like a deadline, so that no layer between the
// lease and the write can forget to pass it on (docs/decisions/012-fence-in-the-context.md).
package fence

import (
	"context"
	"errors"
)

// Check returns nil while writes are allowed, and afterwards the reason why they are
// not. It may be called concurrently, and may ask the store.
type Check func(ctx context.Context) error

type key struct{}

// With returns a context in which writes are allowed only while check returns nil.
func With(ctx context.Context, check Check) context.Context {
	return context.WithValue(ctx, key{}, check)
}

// In returns the context's check, or nil if the context has no fence.
func In(ctx context.Context) Check {
	check, _ := ctx.Value(key{}).(Check)
	return check
}

// Allow returns nil if a write may leave now, and otherwise a *Refusal. Call it
// immediately before the write: if anything waits in between, the lease may be lost.
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

// Refusal is the error of a write that a fence refused. The write has not left the
// process.
type Refusal struct{ Reason error }

func (r *Refusal) Error() string { return "fence: not written: " + r.Reason.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Reason }

// Refused reports whether the error comes from a write that a fence refused.
func Refused(err error) bool {
	_, ok := errors.AsType[*Refusal](err)
	return ok
}

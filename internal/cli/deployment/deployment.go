// Package deployment is what the command works on: a store that this process opens, or
// a server that it calls over HTTP.
//
// Invariants:
//
//   - Both show the same: definitions and runs come without credentials, and a run
//     reports its progress in the same form.
//   - An error has one message for a person: what happened, where, and what to do.
//
// On failure: nothing is sent twice except requests that only read. A run that was
// started goes on without us, or waits in the store for the next process.
package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/syncrun"
)

// Deployment is a set of syncs with their runs.
type Deployment interface {
	// Syncs returns the definitions, ordered by id, without their credentials.
	Syncs(ctx context.Context) ([]syncrun.Sync, error)
	// Apply creates the sync, or replaces its definition where that differs.
	Apply(ctx context.Context, def *syncrun.Sync) (Applied, error)
	// Delete deletes a definition and what its sync remembers. Records stay.
	Delete(ctx context.Context, id string) error
	// Run starts a run and follows it until it has ended or ctx ends. If a run of the
	// same method is under way, Run follows that one. Both results are set where a run
	// was still under way when ctx ended.
	Run(ctx context.Context, id string, o Options, w Watch) (*syncrun.Run, error)
	// Runs returns the latest runs, the newest first.
	Runs(ctx context.Context, id string) ([]*syncrun.Run, error)
	// Rejects returns the rows and records that the sync refused.
	Rejects(ctx context.Context, id string) ([]*syncrun.Rejected, error)
	// Close lets go of the store, or of connections.
	Close()
}

// Options say how to run a sync.
type Options struct {
	Method       syncrun.Method // "" for what the sync's type says
	AllowDeletes bool           // delete however many records are gone
}

// method returns the method that a run of the sync will have.
func (o Options) method(def *syncrun.Sync) syncrun.Method {
	if o.Method == "" {
		return syncrun.Method(def.Type)
	}
	return o.Method
}

// Watch is told how a run gets on.
type Watch struct {
	Say  func(format string, args ...any) // a line for the person
	Show func(*syncrun.Run)               // called again and again
}

// Applied says what Apply did.
type Applied string

// What Apply can do.
const (
	Created   Applied = "created"
	Changed   Applied = "changed"
	Unchanged Applied = "unchanged"
)

// latestRuns is how many runs Runs returns.
const latestRuns = 50

// plain returns the error as a person should see it: the message of a fault stands
// without the cause, which is for a server's log.
func plain(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return errors.New(f.Message)
	}
	return err
}

// sameDefinition reports whether both are the same JSON, in whatever order their
// objects have their keys: options that were shown once come back in another.
func sameDefinition(a, b *syncrun.Sync) (bool, error) {
	x, err := tree(a)
	if err != nil {
		return false, err
	}
	y, err := tree(b)
	return reflect.DeepEqual(x, y), err
}

func tree(def *syncrun.Sync) (v any, err error) {
	b, err := json.Marshal(def)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // large numbers that differ stay different
	err = d.Decode(&v)
	return v, err
}

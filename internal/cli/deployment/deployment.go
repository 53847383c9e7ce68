// Package deployment gives commands a deployment to work on: a store that this process
// opens, or a server that it calls over HTTP.
//
// Invariants:
//
//   - Both show the same: definitions and runs come without credentials, and a run
//     reports its progress in the same form.
//   - An error has one message for a person: what happened, where, and what to do.
//
// On failure: only requests that read are sent twice. A started run continues on its
// server, or waits in the store for the next process.
package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// Deployment is a set of syncs with their runs.
type Deployment interface {
	// Syncs returns the definitions, ordered by id, without their credentials.
	Syncs(ctx context.Context) ([]Listed, error)
	// Check returns an error that lists every fault of the text of a definition.
	Check(ctx context.Context, text []byte) error
	// Plan returns what Apply would do. An error says why Apply would be refused.
	Plan(ctx context.Context, def *definition.Sync) (*Plan, error)
	// Apply creates the sync, or replaces its definition where that differs.
	Apply(ctx context.Context, def *definition.Sync) (Applied, error)
	// Delete deletes a definition and the state of its sync. Records stay.
	Delete(ctx context.Context, id string) error
	// Run starts a run and follows it until it has ended or ctx ends. If a run of the
	// same method is under way, Run follows that one. Both results are set where a run
	// was still under way when ctx ended.
	Run(ctx context.Context, id string, o Options, w Watch) (*syncrun.Run, error)
	// Runs returns the latest runs, the newest first.
	Runs(ctx context.Context, id string) ([]*syncrun.Run, error)
	// Rejects returns the rows and records that the sync refused.
	Rejects(ctx context.Context, id string) ([]*syncrun.Rejected, error)
	// Relink links the records of the sync to its rows anew, or returns what that would do
	// if it is not confirmed.
	Relink(ctx context.Context, id string, confirmed bool) (*syncrun.Relinking, error)
	// Close closes the store, or the connections.
	Close()
}

// Listed is a definition and who may change it.
type Listed struct {
	definition.Sync
	Owner definition.Owner `json:"owner,omitempty"`
}

// Options say how to run a sync.
type Options struct {
	Method       syncrun.Method // "": the one of the sync's type
	AllowDeletes bool           // delete however many records are gone
}

// effectiveMethod returns the method that a run of the sync will have.
func (o Options) effectiveMethod(def *definition.Sync) syncrun.Method {
	if o.Method == "" {
		return syncrun.Method(def.Type)
	}
	return o.Method
}

// Watch gets the progress of a run.
type Watch struct {
	Say  func(format string, args ...any) // a line for the person
	Show func(*syncrun.Run)               // called again and again
}

// Applied is the effect of Apply.
type Applied string

// The effects of Apply.
const (
	Created   Applied = "created"
	Changed   Applied = "changed"
	Unchanged Applied = "unchanged"
)

// latestRuns is the most runs that Runs returns.
const latestRuns = 50

// Plain returns the error as a person should see it: the message of a fault stands
// without the cause, which is for a server's log.
func Plain(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return errors.New(f.Message)
	}
	return err
}

// sameDefinition reports whether both are the same JSON. The order of an object's keys does
// not matter, because a server may return options in another order.
func sameDefinition(a, b *definition.Sync) (bool, error) {
	x, err := tree(a)
	if err != nil {
		return false, err
	}
	y, err := tree(b)
	return reflect.DeepEqual(x, y), err
}

func tree(def *definition.Sync) (v any, err error) {
	b, err := json.Marshal(def)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // large numbers that differ stay different
	err = d.Decode(&v)
	return v, err
}

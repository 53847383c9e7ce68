// Package exchange passes rows between a sync and the outside without a run: other
// systems push rows in and read records out, drafts edit the table at the source, and
// people look at its columns.
//
// Invariants:
//
//   - A row that is pushed in is mapped and merged exactly as a pulled row is, by the
//     same planner.
//   - Each row is a commit of its own, conditional on the record as it was read. So an
//     exchange needs no lease, and may run beside a run of the sync.
//   - No cursor moves: a run neither passes over anything nor repeats anything because
//     of an exchange.
//
// On failure the rows that were answered are applied, and the rest is not. Pushing the
// same rows again changes nothing.
package exchange

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// Options configure a Service.
type Options struct {
	Docs        store.Docs
	Definitions *definition.Service
	Kinds       source.Registry
	// Env is passed to sources when they are opened.
	Env source.Env
	Log *slog.Logger
	Now func() time.Time // nil: time.Now
	// Random returns an id that no other call has returned.
	Random func() string
	// RecordsChanged is called with the records that a commit changed. May be nil.
	RecordsChanged func(ctx context.Context, org, datatype string, ids []string)
	// Outbox takes the changes of records to which others subscribe. nil: nobody does.
	Outbox *occurrence.Outbox
	// StatusChanged is called after a sync's conflicts changed. It must not block. May
	// be nil.
	StatusChanged func(syncID string)
}

// Service is the use case. All methods may be called concurrently.
type Service struct {
	o    Options
	docs store.Docs
}

// New returns a service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.RecordsChanged == nil {
		o.RecordsChanged = func(context.Context, string, string, []string) {}
	}
	if o.StatusChanged == nil {
		o.StatusChanged = func(string) {}
	}
	return &Service{o: o, docs: o.Docs}
}

// datatypeOf checks that the sync has the datatype; "" is the only one.
func (s *Service) datatypeOf(def *definition.Sync, datatype string) (string, error) {
	types := def.Datatypes(s.o.Kinds)
	switch {
	case datatype == "" && len(types) == 1:
		return types[0], nil
	case !slices.Contains(types, datatype):
		return "", fault.New(fault.Invalid, "type %q is none of the sync's: %q", datatype, types)
	}
	return datatype, nil
}

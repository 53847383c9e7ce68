// Package exchange passes rows between a sync and the outside without a run: other
// systems push rows in and read records out, and drafts edit the table at the source.
//
// Invariants:
//
//   - A row that is pushed in is mapped and merged exactly as a pulled row is, by the
//     same planner.
//   - Each row is a commit of its own, conditional on the record as it was read. So an
//     exchange needs no lease, and may go on while a run of the sync is at work.
//   - No cursor moves: a run neither passes over anything nor repeats anything because
//     of an exchange.
//
// On failure the rows that were answered are applied, and the rest is not. Pushing the
// same rows again changes nothing.
package exchange

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
)

// Options are what a Service works with.
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
	RecordsChanged func(org, datatype string, ids []string)
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
		o.RecordsChanged = func(string, string, []string) {}
	}
	if o.StatusChanged == nil {
		o.StatusChanged = func(string) {}
	}
	return &Service{o: o, docs: o.Docs}
}

// Received is the answer to one row that another system pushed in.
type Received struct {
	Index   int    `json:"index"`
	ID      string `json:"id,omitempty"`
	Result  string `json:"result"` // created, updated, deleted, unchanged, rejected
	Version int64  `json:"version,omitempty"`
	Field   string `json:"field,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// MaxReceive is how many rows a call of Receive takes.
const MaxReceive = 1_000

// Receive applies rows that another system pushes in. A bad row is answered as rejected,
// and the others are applied. datatype may be "" if the sync has only one.
func (s *Service) Receive(ctx context.Context, id, datatype string, rows []map[string]any) ([]Received, error) {
	d, err := s.o.Definitions.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(rows) > MaxReceive {
		return nil, fault.New(fault.TooLarge, "there are %d records, and %d is the most", len(rows), MaxReceive)
	}
	if datatype, err = s.datatypeOf(&d.Sync, datatype); err != nil {
		return nil, err
	}
	m, err := d.Sync.Mapper(s.o.Kinds, datatype)
	if err != nil {
		return nil, err
	}
	r := &receiver{
		s: s, def: &d.Sync, datatype: datatype,
		planner: plan.Planner{Sync: id, Fields: m.Fields(), Rule: d.Sync.ConflictRule()},
		records: run.NewRecords(s.docs, &d.Sync, datatype), conflicts: run.NewConflicts(s.docs, &d.Sync),
		others: s.o.Definitions.Others(&d.Sync),
	}
	out := make([]Received, len(rows))
	for i, row := range rows {
		item, reject := m.Map(source.RowOf(row))
		if reject != nil {
			out[i] = Received{Index: i, ID: reject.Key, Result: "rejected", Field: reject.Field, Reason: reject.Reason}
			continue
		}
		if out[i], err = r.receive(ctx, &item); err != nil {
			return nil, fault.StoreAway(err)
		}
		out[i].Index = i
	}
	return out, nil
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

// receiver applies the rows of one call.
type receiver struct {
	s        *Service
	def      *definition.Sync
	datatype string
	planner  plan.Planner

	records   *run.Records
	conflicts *run.Conflicts
	others    *definition.Others
}

// receive applies one row, again until no other writer comes between.
func (r *receiver) receive(ctx context.Context, m *mapping.Mapped) (Received, error) {
	for {
		at, err := r.records.Locate(ctx, []string{m.Key}, true)
		if err != nil {
			return Received{}, err
		}
		old := at[0]
		r.planner.Now = r.s.o.Now().UTC().Truncate(time.Microsecond)
		d, err := r.planner.Pulled(m, old.RecordID, old.Record)
		if err != nil {
			return Received{}, err
		}
		out := Received{ID: old.RecordID, Result: d.Effect.String()}
		if old.Record != nil {
			out.Version = old.Version
		}
		writes, err := r.conflicts.Append(ctx, nil, r.datatype, &old.StoredRecord, d, r.planner.Now)
		if err != nil {
			return Received{}, err
		}
		if d.Record == nil && len(writes) == 0 {
			return out, nil
		}
		others, err := r.others.Push(ctx, r.datatype)
		if err != nil {
			return Received{}, err
		}
		var order int64
		if d.Effect != plan.Linked && others || d.Pushes && r.def.Pushes() {
			order = r.planner.Now.UnixMicro()
		}
		if d.Record != nil {
			writes = append(append(writes, old.Alias...), r.records.Replace(old.StoredRecord, d.Record, order))
			out.Version = d.Record.Version
		}
		_, err = r.s.docs.Commit(ctx, writes)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err == nil && len(d.Conflicts) > 0 {
			r.s.o.StatusChanged(r.def.ID)
		}
		if err == nil && d.Record != nil && d.Effect != plan.Linked {
			r.s.o.RecordsChanged(r.def.OrgID, r.datatype, []string{old.RecordID})
		}
		return out, err
	}
}

// Send returns records of the sync's organisation in the order of their ids. It starts
// after the given id, passes over skip records, and returns at most limit, fewer where
// they are large. next is the id to pass as after for the next page; "" at the end.
//
// Deleted records keep their place, so a caller never misses a record that exists
// throughout. A record that is created between two calls that use skip can shift the
// later page by one: the caller then gets a record twice.
func (s *Service) Send(ctx context.Context, id, datatype, after string, skip, limit int) (list []*entity.Entity, next string, err error) {
	d, err := s.o.Definitions.Get(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if datatype, err = s.datatypeOf(&d.Sync, datatype); err != nil {
		return nil, "", err
	}
	list = []*entity.Entity{}
	for bytes := 0; ; {
		docs, err := s.docs.List(ctx, store.Listing{
			Collection: store.RecordsOf(d.Sync.OrgID, datatype), After: store.Position{ID: after}, Limit: min(500, skip+limit-len(list)), Bytes: store.PageBytes,
		})
		if err != nil {
			return nil, "", fault.StoreAway(err)
		}
		if len(docs) == 0 {
			return list, "", nil
		}
		for _, doc := range docs {
			after = doc.ID
			if skip > 0 {
				skip--
				continue
			}
			r, err := record.Parse(doc.ID, doc.Body)
			if err != nil {
				return nil, "", err
			}
			bytes += len(doc.Body)
			if list = append(list, entity.Of(r)); len(list) == limit || bytes >= store.PageBytes {
				return list, after, nil
			}
		}
	}
}

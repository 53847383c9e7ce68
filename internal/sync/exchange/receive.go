package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// Received is the answer to one row that another system pushed in.
type Received struct {
	Index   int    `json:"index"`
	ID      string `json:"id,omitempty"`
	Result  string `json:"result"` // created, updated, deleted, unchanged, rejected
	Version int64  `json:"version,omitempty"`
	Field   string `json:"field,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// MaxReceive is the most rows that a call of Receive takes.
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
	// A row that arrives now was sent before. So it has nothing of what a push sends from
	// now on, and one look is enough.
	sent, err := run.ReadSent(ctx, s.docs, id, datatype)
	if err != nil {
		return nil, err
	}
	r.planner.Sent = sent.Of
	out := make([]Received, len(rows))
	for i, row := range rows {
		item, reject := m.Map(source.RowOf(row))
		if reject != nil {
			out[i] = Received{Index: i, ID: reject.Key, Result: "rejected", Field: reject.Field, Reason: reject.Reason}
			continue
		}
		if field, reason := breaks(m, datatype, &item); reason != "" {
			out[i] = Received{Index: i, ID: item.Key, Result: "rejected", Field: field, Reason: reason}
			continue
		}
		if out[i], err = r.apply(ctx, &item); err != nil {
			return nil, err
		}
		out[i].Index = i
	}
	return out, nil
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

// apply applies one row, again until no other writer comes between.
func (r *receiver) apply(ctx context.Context, m *mapping.Mapped) (Received, error) {
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
		// As in a pull, a record takes a new place in the order that pushes read only if
		// there is something to push.
		var order int64
		if d.Effect != plan.Linked && others || d.Pushes && r.def.Pushes() {
			order = r.planner.Now.UnixMicro()
		}
		if d.Record != nil {
			writes = append(append(writes, old.Alias...), r.records.Replace(old.StoredRecord, d.Record, order))
			out.Version = d.Record.Version
		}
		var told []store.Write
		if d.Record != nil && d.Effect != plan.Linked {
			change := occurrence.Changed{ID: d.Record.ID, Version: d.Record.Version, Deleted: d.Record.Deleted}
			told = r.s.o.Outbox.RecordWrites(ctx, r.def.OrgID, r.datatype, []occurrence.Changed{change}, r.planner.Now)
		}
		_, err = r.s.docs.Commit(ctx, append(writes, told...))
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err == nil {
			r.s.o.Outbox.Committed(told)
		}
		if err == nil && len(d.Conflicts) > 0 {
			r.s.o.StatusChanged(r.def.ID)
		}
		if err == nil && d.Record != nil && d.Effect != plan.Linked {
			r.s.o.RecordsChanged(ctx, r.def.OrgID, r.datatype, []string{old.RecordID})
		}
		return out, err
	}
}

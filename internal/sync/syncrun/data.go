package syncrun

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
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

// MaxReceive is how many rows a call of Receive takes.
const MaxReceive = 1_000

// Receive applies rows that another system pushes in, as a pull would: mapped,
// and merged with what is there by the sync's rule. One that is bad is answered
// as rejected; the others are applied.
func (s *Service) Receive(ctx context.Context, id, datatype string, rows []map[string]any) ([]Received, error) {
	d, err := s.Sync(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(rows) > MaxReceive {
		return nil, fault.New(fault.TooLarge, "there are %d records, and %d is the most", len(rows), MaxReceive)
	}
	m, err := s.mapperOf(&d.Sync, &datatype)
	if err != nil {
		return nil, err
	}
	e := &execution{Service: s, def: &d.Sync}
	out := make([]Received, len(rows))
	p := &planner{sync: id, fields: m.Fields(), rule: d.Sync.rule()}
	// A row that comes now was sent to us before now. So it can have nothing of what a push
	// sends from now on.
	if p.sent, err = s.readSent(ctx, id, datatype); err != nil {
		return nil, fault.StoreAway(err)
	}
	for i, row := range rows {
		item, reject := m.Map(rowOf(row))
		if reject != nil {
			out[i] = Received{Index: i, ID: reject.Key, Result: "rejected", Field: reject.Field, Reason: reject.Reason}
			continue
		}
		if out[i], err = e.receive(ctx, p, datatype, &item); err != nil {
			return nil, fault.StoreAway(err)
		}
		out[i].Index = i
	}
	return out, nil
}

// mapperOf returns the mapper of the datatype; "" is the only one.
func (s *Service) mapperOf(def *Sync, datatype *string) (*mapping.Mapper, error) {
	types := def.datatypes(s.kinds)
	known := false
	for _, t := range types {
		known = known || t == *datatype
	}
	switch {
	case *datatype == "" && len(types) == 1:
		*datatype = types[0]
	case !known:
		return nil, fault.New(fault.Invalid, "type %q is none of the sync's: %q", *datatype, types)
	}
	m, faults := mapping.New(*datatype, def.Mapping[*datatype], defaultsOf(s.kinds[def.Datasource.Type], *datatype))
	if len(faults) > 0 {
		return nil, invalid(faults...)
	}
	return m, nil
}

// receive applies one row until no other writer comes between.
func (e *execution) receive(ctx context.Context, p *planner, datatype string, m *mapping.Mapped) (Received, error) {
	records := store.RecordsOf(e.def.OrgID, datatype)
	for {
		at, err := e.locate(ctx, datatype, []string{m.Key}, true)
		if err != nil {
			return Received{}, err
		}
		id, old := at[0].id, at[0].stored
		p.now = e.clock()
		d, err := p.pulled(m, id, old.Record)
		if err != nil {
			return Received{}, err
		}
		out := Received{ID: id, Result: d.effect.String()}
		if old.Record != nil {
			out.Version = old.Version
		}
		writes, err := e.conflictWrites(ctx, nil, datatype, &old, d, p.now)
		if err != nil {
			return Received{}, err
		}
		if d.record == nil && len(writes) == 0 {
			return out, nil
		}
		others, err := e.pushedByOthers(ctx, datatype)
		if err != nil {
			return Received{}, err
		}
		var order int64
		if d.effect != linked && others || d.pushes && e.def.pushes() {
			order = p.now.UnixMicro()
		}
		if d.record != nil {
			next := stored{d.record, old.rev, old.order}
			writes = append(append(writes, at[0].alias...), next.write(records, order))
		}
		_, err = e.docs.Commit(ctx, writes)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err == nil && len(d.conflicts) > 0 {
			e.o.Moved(e.def.ID, false)
		}
		if err == nil && d.record != nil && d.effect != linked && e.o.Changed != nil {
			e.o.Changed(e.def.OrgID, datatype, []string{id})
		}
		if d.record != nil {
			out.Version = d.record.Version
		}
		return out, err
	}
}

func (e effect) String() string {
	switch e {
	case created:
		return "created"
	case updated:
		return "updated"
	case deleted:
		return "deleted"
	default:
		return "unchanged"
	}
}

func rowOf(m map[string]any) source.Row {
	names := sortedKeys(m)
	values := make([]any, len(names))
	for i, n := range names {
		values[i] = m[n]
	}
	return source.Row{Columns: source.NewColumns(names), Values: values}
}

// Outgoing is a record as other systems read it.
type Outgoing struct {
	ID          string            `json:"id"`
	Version     int64             `json:"version"`
	UpdatedAt   time.Time         `json:"updatedAt"`
	Deleted     bool              `json:"deleted,omitempty"`
	Data        json.RawMessage   `json:"data,omitempty"`
	ExternalIDs map[string]string `json:"externalIds,omitempty"`
}

// Send returns records of the sync's organisation in the order of their ids. It starts
// after the given id, passes over skip records, and returns at most limit, fewer where
// they are large. next is the id to pass as after for the next page; "" at the end.
//
// Deleted records keep their place, so a caller never misses a record that exists
// throughout. A record that is created between two calls that use skip can shift the
// later page by one: the caller then gets a record twice.
func (s *Service) Send(ctx context.Context, id, datatype, after string, skip, limit int) (list []Outgoing, next string, err error) {
	d, err := s.Sync(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if _, err := s.mapperOf(&d.Sync, &datatype); err != nil {
		return nil, "", err
	}
	list = []Outgoing{}
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
			o := Outgoing{ID: r.ID, Version: r.Version, UpdatedAt: r.UpdatedAt, Deleted: r.Deleted, Data: r.Data, ExternalIDs: r.ExternalIDs}
			if r.Deleted {
				o.Data = nil
			}
			bytes += len(doc.Body)
			if list = append(list, o); len(list) == limit || bytes >= store.PageBytes {
				return list, after, nil
			}
		}
	}
}

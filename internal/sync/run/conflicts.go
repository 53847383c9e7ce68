package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
)

// Conflict is a record whose fields both sides changed, under the rule manual.
type Conflict struct {
	RecordID string          `json:"recordId"`
	Datatype string          `json:"datatype"`
	Fields   []FieldConflict `json:"fields"`
	// Deleted: the row was deleted at the source, and the record edited here.
	Deleted bool `json:"deleted,omitempty"`
	// DeletedHere: the record was deleted here, and the row edited at the source.
	DeletedHere bool      `json:"deletedHere,omitempty"`
	Since       time.Time `json:"since"`
}

// FieldConflict has a field's three values; absent where there was none.
type FieldConflict struct {
	Field  string `json:"field"`
	Base   any    `json:"base,omitempty"` // what both agreed on last
	Store  any    `json:"store,omitempty"`
	Source any    `json:"source,omitempty"`
}

// Decision settles a conflict, for all fields or one by one.
type Decision struct {
	Choose string            `json:"choose,omitempty"` // source or store, for the fields not named below
	Fields map[string]string `json:"fields,omitempty"` // source or store
	Values map[string]any    `json:"values,omitempty"` // neither: this
}

func conflictsOf(syncID string) store.Collection {
	return store.Collection{Kind: "conflicts", Scope: syncID}
}

func conflictID(datatype, recordID string) string { return url.PathEscape(datatype) + "/" + recordID }

// conflictWrites keeps what the row's merge left to be decided, and forgets what
// is decided by now.
func (e *execution) conflictWrites(ctx context.Context, writes []store.Write, datatype string, old *stored, d planned, now time.Time) ([]store.Write, error) {
	if e.def.rule() != Manual || old.Record == nil {
		return writes, nil
	}
	c, id := conflictsOf(e.def.ID), conflictID(datatype, old.ID)
	before, _ := old.Link(e.def.ID)
	if len(d.conflicts) == 0 {
		back := e.deleted[id] // the row is there again, or the record as it was
		if !back && (d.record == nil || len(before.Held) == 0 || len(d.record.Links[e.def.ID].Held) > 0) {
			return writes, nil
		}
		return append(writes, store.Write{Collection: c, Doc: store.Doc{ID: id}, Delete: true, Any: true}), nil
	}
	docs, err := e.docs.Get(ctx, c, []string{id})
	if err != nil {
		return nil, err
	}
	x := Conflict{RecordID: old.ID, Datatype: datatype, Since: now}
	if docs[0] != nil {
		if err := json.Unmarshal(docs[0].Body, &x); err != nil {
			return nil, fmt.Errorf("conflict %s: %w", id, err)
		}
	}
	x.Deleted, x.DeletedHere = false, false // it may be otherwise by now
	for _, n := range d.conflicts {
		if n.Field == heldDeletion {
			x.Deleted, x.DeletedHere, x.Fields = n.Source == nil, n.Source != nil, []FieldConflict{}
			if x.DeletedHere {
				x.Fields = rowChanges(n.Base, n.Source)
			}
			continue
		}
		x.Fields = slices.DeleteFunc(x.Fields, func(f FieldConflict) bool { return f.Field == n.Field })
		x.Fields = append(x.Fields, FieldConflict{Field: n.Field, Base: n.Base, Store: n.Store, Source: n.Source})
	}
	return append(writes, store.Write{Collection: c, Doc: store.Doc{ID: id, Body: mustJSON(x)}, Any: true}), nil
}

// maxDeletedRows bounds the conflicts that are remembered while a pull is at work.
const maxDeletedRows = 10_000

// deletedRows are the conflicts about rows that were deleted: such a row can come back.
func (s *Service) deletedRows(ctx context.Context, syncID string) (map[string]bool, error) {
	out := make(map[string]bool)
	for after, n := (store.Position{}), 0; n < maxDeletedRows; {
		docs, err := s.docs.List(ctx, store.Listing{Collection: conflictsOf(syncID), After: after, Limit: 500, Bytes: store.PageBytes})
		if err != nil || len(docs) == 0 {
			return out, err
		}
		for _, d := range docs {
			var x Conflict
			if err := json.Unmarshal(d.Body, &x); err != nil {
				return nil, fmt.Errorf("conflict %s: %w", d.ID, err)
			}
			if x.Deleted {
				out[d.ID] = true
			}
			after.ID = d.ID
		}
		n += len(docs)
	}
	return out, nil
}

// rowChanges are the fields that a row of a record that is deleted here has otherwise.
func rowChanges(base, theirs any) []FieldConflict {
	was, _ := base.(map[string]any)
	now, _ := theirs.(map[string]any)
	out := []FieldConflict{}
	for _, c := range record.Diff(was, now, nil) {
		out = append(out, FieldConflict{Field: c.Field, Base: c.Old, Source: c.New})
	}
	return out
}

// Conflicts returns a page of a sync's conflicts.
func (s *Service) Conflicts(ctx context.Context, id, after string, limit int) (list []*Conflict, next string, err error) {
	return pageOf[Conflict](ctx, s, id, conflictsOf(id), after, limit)
}

// Decide settles a record's conflict. Fields that the decision leaves out stay
// undecided. It returns the conflict that is left, nil if none is. NotFound.
func (s *Service) Decide(ctx context.Context, id, datatype, recordID string, d Decision) (*Conflict, error) {
	def, err := s.Sync(ctx, id)
	if err != nil {
		return nil, err
	}
	if datatype == "" {
		types := def.Sync.datatypes(s.kinds)
		if len(types) != 1 {
			return nil, fault.New(fault.Invalid, "type is required: the sync has %q", types)
		}
		datatype = types[0]
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	for {
		left, err := s.decide(ctx, &def.Sync, datatype, recordID, d)
		if !errors.Is(err, store.ErrConflict) {
			return left, fault.StoreAway(err)
		}
	}
}

func (d Decision) check() error {
	for _, choice := range append(sortedValues(d.Fields), d.Choose) {
		if choice != "" && choice != "source" && choice != "store" {
			return fault.New(fault.Invalid, "%q is neither source nor store", choice)
		}
	}
	if d.Choose == "" && len(d.Fields) == 0 && len(d.Values) == 0 {
		return fault.New(fault.Invalid, "the decision is empty: give choose, fields or values")
	}
	return nil
}

func sortedValues(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, m[k])
	}
	return out
}

func (s *Service) decide(ctx context.Context, def *Sync, datatype, recordID string, d Decision) (*Conflict, error) {
	records := store.RecordsOf(def.OrgID, datatype)
	c, conflict := conflictsOf(def.ID), conflictID(datatype, recordID)
	docs, err := s.docs.Get(ctx, c, []string{conflict})
	if err != nil {
		return nil, err
	}
	now, err := s.readRecords(ctx, records, []string{recordID})
	if err != nil {
		return nil, err
	}
	if docs[0] == nil || now[0].Record == nil {
		return nil, fault.New(fault.NotFound, "no conflict of %s %q", datatype, recordID)
	}
	var x Conflict
	if err := json.Unmarshal(docs[0].Body, &x); err != nil {
		return nil, fmt.Errorf("conflict %s: %w", conflict, err)
	}
	r := stored{now[0].Clone(), now[0].rev, now[0].order}
	if err := s.settleConflict(def, &r, &x, d); err != nil {
		return nil, err
	}
	w := store.Write{Collection: c, Doc: store.Doc{ID: conflict, Rev: docs[0].Rev}}
	left := &x
	if len(x.Fields) == 0 && !x.Deleted && !x.DeletedHere {
		w.Delete, left = true, nil
	} else {
		w.Doc.Body = mustJSON(x)
	}
	_, err = s.docs.Commit(ctx, []store.Write{w, r.write(records, s.clock().UnixMicro())})
	if err == nil {
		s.o.Moved(def.ID, false)
	}
	if err == nil && s.o.Changed != nil {
		s.o.Changed(def.OrgID, datatype, []string{recordID})
	}
	return left, err
}

// settleConflict applies the decision to the record and takes what it settles
// out of the conflict.
func (s *Service) settleConflict(def *Sync, r *stored, x *Conflict, d Decision) error {
	link, ok := r.Link(def.ID)
	if !ok {
		x.Fields, x.Deleted, x.DeletedHere = nil, false, false // it is no row of this sync any more
		return nil
	}
	if x.Deleted {
		switch d.Choose {
		case "source":
			r.SetLink(def.ID, record.Link{Key: link.Key, Gone: true})
			r.Delete(s.clock())
		case "store":
			delete(r.Links, def.ID)
		default:
			return fault.New(fault.Invalid, "the row was deleted at the source: choose source or store")
		}
		x.Fields, x.Deleted = nil, false
		return nil
	}
	if x.DeletedHere {
		if d.Choose == "" {
			return fault.New(fault.Invalid, "the record was deleted here: choose source or store")
		}
		x.Fields, x.DeletedHere = nil, false
		link.Held = nil
		if d.Choose == "source" && link.Base != nil {
			r.Edit(link.Base, s.clock())
			link.Base = nil
		}
		r.SetLink(def.ID, link)
		return nil
	}
	data, err := record.Decode(r.Data)
	if err != nil {
		return err
	}
	base := map[string]any{}
	if link.Base != nil {
		if base, err = record.Decode(link.Base); err != nil {
			return err
		}
	}
	edited := false
	for _, f := range slices.Clone(x.Fields) {
		choice := d.Choose
		if c, ok := d.Fields[f.Field]; ok {
			choice = c
		}
		value, given := d.Values[f.Field]
		switch {
		case given:
			data[f.Field], edited = value, true
		case choice == "source":
			if v, ok := base[f.Field]; ok {
				data[f.Field] = v
			} else {
				delete(data, f.Field)
			}
			edited = true
		case choice == "":
			continue
		}
		link.Held = slices.DeleteFunc(link.Held, func(h string) bool { return h == f.Field })
		x.Fields = slices.DeleteFunc(x.Fields, func(o FieldConflict) bool { return o.Field == f.Field })
	}
	if edited {
		canonical, err := record.Canonical(data)
		if err != nil {
			return fault.New(fault.Invalid, "values: %s", err)
		}
		r.Edit(canonical, s.clock())
	}
	r.SetLink(def.ID, link)
	return nil
}

package run

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// Decision settles a conflict, for all fields or one by one.
type Decision struct {
	Choose string            `json:"choose,omitempty"` // source or store, for the fields that are not named below
	Fields map[string]string `json:"fields,omitempty"` // source or store
	Values map[string]any    `json:"values,omitempty"` // another value
}

// Decide settles a record's conflict. Fields that the decision leaves out stay undecided.
// It returns the conflict that is left, nil if none is. NotFound.
func (s *Service) Decide(ctx context.Context, id, datatype, recordID string, d Decision) (*Conflict, error) {
	def, err := s.defs.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if datatype == "" {
		types := def.Sync.Datatypes(s.kinds)
		if len(types) != 1 {
			return nil, fault.New(fault.Invalid, "type is required: the sync has %q", types)
		}
		datatype = types[0]
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	for { // until no other writer comes between
		left, err := s.tryDecide(ctx, &def.Sync, datatype, recordID, d)
		if !errors.Is(err, store.ErrConflict) {
			return left, err
		}
	}
}

func (d Decision) check() error {
	choices := []string{d.Choose}
	for _, field := range slices.Sorted(maps.Keys(d.Fields)) {
		choices = append(choices, d.Fields[field])
	}
	for _, choice := range choices {
		if choice != "" && choice != "source" && choice != "store" {
			return fault.New(fault.Invalid, "%q is neither source nor store", choice)
		}
	}
	if d.Choose == "" && len(d.Fields) == 0 && len(d.Values) == 0 {
		return fault.New(fault.Invalid, "the decision is empty: give choose, fields or values")
	}
	return nil
}

// tryDecide makes one attempt. store.ErrConflict: try again.
func (s *Service) tryDecide(ctx context.Context, def *definition.Sync, datatype, recordID string, d Decision) (*Conflict, error) {
	records := NewRecords(s.docs, def, datatype)
	collection, conflict := conflictsOf(def.ID), conflictID(datatype, recordID)
	docs, err := s.docs.Get(ctx, collection, []string{conflict})
	if err != nil {
		return nil, err
	}
	now, err := records.read(ctx, []string{recordID})
	if err != nil {
		return nil, err
	}
	if docs[0] == nil || now[0].Record == nil {
		return nil, fault.New(fault.NotFound, "no conflict of %s %q", datatype, recordID)
	}
	x, err := parseConflict(*docs[0])
	if err != nil {
		return nil, err
	}
	r := now[0].Clone()
	if err := s.settleConflict(def, r, x, d); err != nil {
		return nil, err
	}
	w, left := store.Write{Collection: collection, Doc: store.Doc{ID: conflict, Rev: docs[0].Rev}}, x
	if len(x.Fields) == 0 && !x.Deleted && !x.DeletedHere {
		w.Delete, left = true, nil
	} else {
		w.Doc.Body = mustJSON(x)
	}
	// The record gets a new place in the order, so that the next push looks at it.
	var told []store.Write
	if now[0].Version != r.Version {
		told = s.o.Outbox.RecordWrites(ctx, def.OrgID, datatype, []occurrence.Changed{{ID: recordID, Version: r.Version, Deleted: r.Deleted}}, s.clock())
	}
	_, err = s.docs.Commit(ctx, append(told, w, records.Replace(now[0], r, s.clock().UnixMicro())))
	if err == nil {
		s.o.Outbox.Committed(told)
		s.o.StatusChanged(def.ID)
		s.o.RecordsChanged(ctx, def.OrgID, datatype, []string{recordID})
	}
	return left, err
}

// settleConflict applies the decision to the record, and takes what it settles out of the
// conflict.
func (s *Service) settleConflict(def *definition.Sync, r *record.Record, x *Conflict, d Decision) error {
	link, ok := r.Link(def.ID)
	switch {
	case !ok: // the record no longer belongs to a row of this sync
		x.Fields, x.Deleted, x.DeletedHere = nil, false, false
		return nil
	case x.Deleted:
		return s.settleDeleted(def, r, x, d, link)
	case x.DeletedHere:
		return s.settleDeletedHere(def, r, x, d, link)
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
			// The base has the source's values, as of the last pull.
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

// settleDeleted settles a conflict about a row that was deleted at the source.
func (s *Service) settleDeleted(def *definition.Sync, r *record.Record, x *Conflict, d Decision, link record.Link) error {
	switch d.Choose {
	case "source":
		r.SetLink(def.ID, record.Link{Key: link.Key, Gone: true})
		r.Delete(s.clock())
	case "store":
		delete(r.Links, def.ID) // the next push creates the row again
	default:
		return fault.New(fault.Invalid, "the row was deleted at the source: choose source or store")
	}
	x.Fields, x.Deleted = nil, false
	return nil
}

// settleDeletedHere settles a conflict about a record that was deleted here.
func (s *Service) settleDeletedHere(def *definition.Sync, r *record.Record, x *Conflict, d Decision, link record.Link) error {
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

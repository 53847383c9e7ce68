package run

import (
	"context"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/source"
)

// A new row may take external ids from records that its own record names (source.Heir). Those
// may get an id at any time, and the record that names them does not change then. So a push
// of such a datatype looks at every record.

// inherits returns the field that names the records from which the rows take ids, and their
// datatype; "" if the rows take none.
func (p *pusher) inherits() (field, from string) {
	if heir, ok := p.e.source.(source.Heir); ok {
		return heir.Inherits(p.step.Datatype)
	}
	return "", ""
}

// readNamed looks up the records from which those of a page take ids.
func (p *pusher) readNamed(ctx context.Context, docs []store.Doc) error {
	p.named = nil
	field, from := p.inherits()
	if field == "" {
		return nil
	}
	names := make(map[string]bool)
	for _, d := range docs {
		r, err := parseRecord(d)
		if err != nil {
			return err
		}
		if link, known := r.Link(p.def.ID); r.Deleted || known && !link.Gone {
			continue
		}
		data, err := record.Decode(r.Data)
		if err != nil {
			return err
		}
		for _, id := range namesIn(data[field]) {
			names[id] = true
		}
	}
	p.named = make(map[string]StoredRecord, len(names))
	records := NewRecords(p.docs, p.def, from)
	for part := range slices.Chunk(slices.Sorted(maps.Keys(names)), 500) {
		found, err := records.read(ctx, part)
		if err != nil {
			return err
		}
		rows, err := records.Locate(ctx, part, true) // named by the key of its row
		if err != nil {
			return err
		}
		for i, r := range found {
			if r.Record == nil {
				r = rows[i].StoredRecord
			}
			if r.Record != nil && !r.Deleted {
				p.named[part[i]] = r
			}
		}
	}
	return nil
}

// namesIn returns the ids in a list, or those in a map that are true, sorted.
func namesIn(v any) (ids []string) {
	switch v := v.(type) {
	case []any:
		for _, id := range v {
			if id, ok := id.(string); ok {
				ids = append(ids, id)
			}
		}
	case map[string]any:
		for id, member := range v {
			if member == true {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// inherit gives a creation the ids that it takes from the records that ours names.
func (p *pusher) inherit(o *outgoing, ours map[string]any) *Rejected {
	field, _ := p.inherits()
	if field == "" {
		return nil
	}
	var named []source.Named
	for _, id := range namesIn(ours[field]) {
		r, ok := p.named[id]
		if !ok {
			continue
		}
		data, err := record.Decode(r.Data)
		if err != nil {
			return p.refuse(o, field, err.Error())
		}
		named = append(named, source.Named{Data: data, ExternalIDs: r.ExternalIDs})
	}
	ids, err := p.e.source.(source.Heir).Inherit(o.change, named)
	if err != nil {
		return p.refuse(o, field, err.Error())
	}
	o.change.ExternalIDs = ids
	return nil
}

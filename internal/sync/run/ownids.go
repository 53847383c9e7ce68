package run

import (
	"context"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
)

// A record may name another one, as a reading names its well. A well that was made here and
// pushed has an id of its own here, and the source knows it by the key that it gave the
// well's row. So a push sends that key instead of our own id; the record keeps the id.

// ownIDs has, by datatype and by a record's own id, the key of the record's row.
type ownIDs map[string]map[string]string

// readOwnIDs looks up the records that those of a page name.
func (p *pusher) readOwnIDs(ctx context.Context, docs []store.Doc) error {
	p.own = nil
	refers := p.mapper.Refers()
	if len(refers) == 0 {
		return nil
	}
	names := make(map[string]map[string]bool)
	for _, d := range docs {
		r, err := parseRecord(d)
		if err != nil {
			return err
		}
		for _, body := range [][]byte{r.Data, r.Links[p.def.ID].Base} {
			if body == nil {
				continue
			}
			data, err := record.Decode(body)
			if err != nil {
				return err
			}
			for field, datatype := range refers {
				if id, err := mapping.JoinKey([]any{data[field]}); err == nil {
					if names[datatype] == nil {
						names[datatype] = make(map[string]bool)
					}
					names[datatype][id] = true
				}
			}
		}
	}
	p.own = make(ownIDs, len(names))
	for datatype, ids := range names {
		keys, err := p.keysOf(ctx, datatype, slices.Sorted(maps.Keys(ids)))
		if err != nil {
			return err
		}
		p.own[datatype] = keys
	}
	return nil
}

// keysOf returns the keys of the rows of those records that have one of the ids. It leaves
// out an id that is the key of a row: then the name means that row.
func (p *pusher) keysOf(ctx context.Context, datatype string, ids []string) (map[string]string, error) {
	keys, records := make(map[string]string), NewRecords(p.docs, p.def, datatype)
	for part := range slices.Chunk(ids, 500) {
		rows, err := records.Locate(ctx, part, true)
		if err != nil {
			return nil, err
		}
		var left []string
		for i, row := range rows {
			if row.Record != nil {
				if link, known := row.Link(p.def.ID); known && !link.Gone && link.Key == part[i] {
					continue
				}
			}
			left = append(left, part[i])
		}
		found, err := records.read(ctx, left)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if r.Record == nil {
				continue
			}
			if link, known := r.Link(p.def.ID); known && !link.Gone && link.Key != r.ID {
				keys[r.ID] = link.Key
			}
		}
	}
	return keys, nil
}

// asThere returns the data with the keys of rows in place of our own ids, and whether it
// differs from what it was.
func (p *pusher) asThere(data map[string]any) (map[string]any, bool) {
	differs := false
	for field, datatype := range p.mapper.Refers() {
		id, err := mapping.JoinKey([]any{data[field]})
		if err != nil || p.own[datatype][id] == "" {
			continue
		}
		if !differs {
			data, differs = maps.Clone(data), true
		}
		data[field] = p.own[datatype][id]
	}
	return data, differs
}

// lookAgain makes the next push look at every record of the datatypes that may name one of
// the rows that were made: those of a well that was not linked until now were passed over.
func (p *pusher) lookAgain(st *syncState) {
	if p.step.Counts.Created == p.made {
		return
	}
	for _, t := range p.def.Datatypes(p.e.svc.kinds) {
		m, err := p.def.Mapper(p.e.svc.kinds, t)
		if err != nil || t == p.step.Datatype {
			continue // the run fails when it comes to the datatype
		}
		if slices.Contains(slices.Collect(maps.Values(m.Refers())), p.step.Datatype) {
			known := st.datatype(t)
			known.Pushed, known.PushedBefore = 0, 0
		}
	}
}

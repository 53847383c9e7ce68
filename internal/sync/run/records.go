package run

import (
	"context"
	"net/url"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
)

// aliases are the ids of records by the key of their row, where these differ.
func aliases(syncID, datatype string) store.Collection {
	return store.Collection{Kind: "aliases", Scope: syncID + "/" + url.PathEscape(datatype)}
}

// stored is a record with its place in the store.
type stored struct {
	*record.Record
	rev   string
	order int64
}

func (s *Service) readRecords(ctx context.Context, c store.Collection, ids []string) ([]stored, error) {
	docs, err := s.docs.Get(ctx, c, ids)
	if err != nil {
		return nil, err
	}
	out := make([]stored, len(docs))
	for i, d := range docs {
		if d == nil {
			continue
		}
		if out[i], err = parseRecord(*d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseRecord(d store.Doc) (stored, error) {
	r, err := record.Parse(d.ID, d.Body)
	return stored{r, d.Rev, d.Order}, err
}

// write replaces the record as it was read; order 0 leaves its place as it is.
func (r *stored) write(c store.Collection, order int64) store.Write {
	if order == 0 {
		order = r.order
	}
	body := r.AppendJSON(make([]byte, 0, len(r.Data)+96))
	return store.Write{Collection: c, Doc: store.Doc{ID: r.ID, Body: body, Order: order, Rev: r.rev}}
}

// located is a row's record, or where it is to be.
type located struct {
	stored
	id    string
	alias []store.Write // that has it found there from now on
}

// locate finds the records of rows by their keys. A record of that id may be
// another row already: where the source chooses keys, it may choose one that a
// record here has for an id. The row's record then gets an id of its own.
func (e *execution) locate(ctx context.Context, datatype string, keys []string, aliased bool) ([]located, error) {
	records, out := store.RecordsOf(e.def.OrgID, datatype), make([]located, len(keys))
	ids := slices.Clone(keys)
	if aliased {
		docs, err := e.docs.Get(ctx, aliases(e.def.ID, datatype), keys)
		if err != nil {
			return nil, err
		}
		for i, d := range docs {
			if d != nil {
				ids[i] = string(d.Body)
			}
		}
	}
	found, err := e.readRecords(ctx, records, ids)
	if err != nil {
		return nil, err
	}
	var taken []int
	var instead []string
	for i := range found {
		out[i] = located{stored: found[i], id: ids[i]}
		if found[i].Record == nil {
			continue
		}
		if link, known := found[i].Link(e.def.ID); known && !link.Gone && link.Key != keys[i] {
			id := keys[i] + "@" + e.def.ID
			taken, instead = append(taken, i), append(instead, id)
			out[i].alias = []store.Write{{Collection: aliases(e.def.ID, datatype), Doc: store.Doc{ID: keys[i], Body: []byte(id)}, Any: true}}
		}
	}
	if len(taken) == 0 {
		return out, nil
	}
	if found, err = e.readRecords(ctx, records, instead); err != nil {
		return nil, err
	}
	for n, i := range taken {
		out[i].stored, out[i].id = found[n], instead[n]
	}
	return out, nil
}

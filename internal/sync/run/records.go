package run

import (
	"context"
	"net/url"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
)

// Records finds the records of a datatype by the keys of a sync's rows.
//
// A record's id is its row's key as a rule, and nothing needs to be looked up. Where the
// two differ, because the source chose the key of a record that was created here, an
// alias leads from the key to the id.
type Records struct {
	docs       store.Docs
	syncID     string
	collection store.Collection
	aliases    store.Collection
}

// NewRecords returns the records of the sync's datatype.
func NewRecords(docs store.Docs, def *definition.Sync, datatype string) *Records {
	return &Records{
		docs: docs, syncID: def.ID, collection: store.RecordsOf(def.OrgID, datatype),
		aliases: store.Collection{Kind: "aliases", Scope: def.ID + "/" + url.PathEscape(datatype)},
	}
}

// StoredRecord is a record, nil if there is none, as the store has it.
type StoredRecord struct {
	*record.Record
	rev   string
	order int64
}

func (r *Records) read(ctx context.Context, ids []string) ([]StoredRecord, error) {
	docs, err := r.docs.Get(ctx, r.collection, ids)
	if err != nil {
		return nil, err
	}
	out := make([]StoredRecord, len(docs))
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

func parseRecord(d store.Doc) (StoredRecord, error) {
	r, err := record.Parse(d.ID, d.Body)
	return StoredRecord{r, d.Rev, d.Order}, err
}

// Replace returns the write of a record that replaces the one that was read. order is
// its place in the order that pushes read; 0 leaves it where it is.
func (r *Records) Replace(was StoredRecord, next *record.Record, order int64) store.Write {
	if order == 0 {
		order = was.order
	}
	body := next.AppendJSON(make([]byte, 0, len(next.Data)+96))
	return store.Write{Collection: r.collection, Doc: store.Doc{ID: next.ID, Body: body, Order: order, Rev: was.rev}}
}

// alias returns the write that leads from a row's key to a record.
func (r *Records) alias(key, id string) store.Write {
	return store.Write{Collection: r.aliases, Doc: store.Doc{ID: key, Body: []byte(id)}, Any: true}
}

// Located is the record of a row, or the id that it is to have.
type Located struct {
	StoredRecord
	RecordID string
	// Alias has the write that makes the record findable by the row's key, where it
	// needs one. It is committed together with the record.
	Alias []store.Write
}

// isOther reports whether the record is that of another row of the source.
func (r *Records) isOther(rec StoredRecord, key string) bool {
	if rec.Record == nil {
		return false
	}
	link, known := rec.Link(r.syncID)
	return known && !link.Gone && link.Key != key
}

// Locate finds the records of rows by their keys. aliased says that aliases may exist.
//
// The record whose id is a row's key may be another row: a source that chooses keys may
// choose one that a record here already has for an id. The row then gets a record of its
// own, with an id that no key of the source has.
func (r *Records) Locate(ctx context.Context, keys []string, aliased bool) ([]Located, error) {
	out, ids := make([]Located, len(keys)), slices.Clone(keys)
	if aliased {
		docs, err := r.docs.Get(ctx, r.aliases, keys)
		if err != nil {
			return nil, err
		}
		for i, d := range docs {
			if d != nil {
				ids[i] = string(d.Body)
			}
		}
	}
	found, err := r.read(ctx, ids)
	if err != nil {
		return nil, err
	}
	used := make(map[string]bool, len(ids)) // also by rows of this page whose records do not exist yet
	for _, id := range ids {
		used[id] = true
	}
	var taken []int
	for i, rec := range found {
		out[i] = Located{StoredRecord: rec, RecordID: ids[i]}
		if r.isOther(rec, keys[i]) {
			taken = append(taken, i)
		}
	}
	for round := ""; len(taken) > 0; {
		round += "@" + r.syncID
		instead := make([]string, len(taken))
		for n, i := range taken {
			instead[n] = keys[i] + round
		}
		if found, err = r.read(ctx, instead); err != nil {
			return nil, err
		}
		left := taken[:0]
		for n, i := range taken {
			id := instead[n]
			if used[id] || r.isOther(found[n], keys[i]) { // a key may look like our own ids
				left = append(left, i)
				continue
			}
			used[id] = true
			out[i] = Located{StoredRecord: found[n], RecordID: id, Alias: []store.Write{r.alias(keys[i], id)}}
		}
		taken = left
	}
	return out, nil
}

package run

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
)

// absence finds the records whose rows a whole pull did not bring. It keeps eight bytes
// per row. Two keys of the same hash would only keep a record from being deleted.
type absence struct {
	seed    maphash.Seed
	seen    []uint64
	unknown bool // a rejected row has no key: it could be any record's
}

func newAbsence() *absence { return &absence{seed: maphash.MakeSeed()} }

func (a *absence) hash(key string) uint64 { return maphash.String(a.seed, key) }

func (a *absence) saw(m *mapped) {
	if a == nil {
		return
	}
	for i := range m.items {
		a.seen = append(a.seen, a.hash(m.items[i].Key))
	}
	for _, r := range m.rejects { // a row that is rejected is not missing
		if r.Key == "" {
			a.unknown = true
		}
		a.seen = append(a.seen, a.hash(r.Key))
	}
}

func (a *absence) has(key string) bool {
	_, ok := slices.BinarySearch(a.seen, a.hash(key))
	return ok
}

// deleteAbsent deletes the records whose rows are gone from the source.
func (p *puller) deleteAbsent(ctx context.Context) error {
	if p.digests.unchanged() {
		return nil
	}
	if p.doubting != nil {
		why, err := p.doubting.Doubt(ctx)
		if err != nil {
			return err
		}
		if why != "" {
			p.run.warn(fmt.Sprintf("%s: %s, so it is unknown which rows are missing: no record was deleted for that", p.step.Datatype, why))
			p.digests = nil // the next pull looks at every page, and finds what is missing
			return nil
		}
	}
	if p.absent.unknown {
		p.run.warn(fmt.Sprintf("%s: rows without a key were rejected, so it is unknown which rows are missing: no record was deleted for that", p.step.Datatype))
		return nil
	}
	slices.Sort(p.absent.seen)
	// All are found before the first is deleted. If there are too many, the run stops
	// and has deleted nothing.
	var gone []mapping.Mapped
	sure := p.deletes
	for after := (store.Position{}); ; {
		docs, err := p.docs.List(ctx, store.Listing{Collection: p.records.collection, After: after, Limit: p.pageSize(), Bytes: store.PageBytes})
		if err != nil {
			return err
		}
		if len(docs) == 0 {
			break
		}
		after.ID = docs[len(docs)-1].ID
		if gone, err = p.absentOf(docs, gone, &sure); err != nil {
			return err
		}
		if err := p.e.checkDeletes(sure, p.count, "here"); err != nil {
			return err
		}
		if err := p.e.pause(ctx); err != nil {
			return err
		}
	}
	p.fresh = false
	for page := range slices.Chunk(gone, p.pageSize()) {
		if err := p.apply(ctx, &mapped{items: page}); err != nil {
			return err
		}
		if err := p.e.pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// absentOf appends the rows of the records that the pull did not bring. It counts in sure
// those that are deleted under every rule: records without an edit.
func (p *puller) absentOf(docs []store.Doc, gone []mapping.Mapped, sure *int64) ([]mapping.Mapped, error) {
	for _, d := range docs {
		r, err := record.Parse(d.ID, d.Body)
		if err != nil {
			return nil, err
		}
		link, ok := r.Link(p.def.ID)
		if !ok || link.Gone || r.Deleted || p.absent.has(link.Key) {
			continue
		}
		if gone = append(gone, mapping.Mapped{Key: link.Key, Deleted: true}); link.Base == nil {
			*sure++
		}
	}
	return gone, nil
}

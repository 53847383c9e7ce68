package syncrun

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/headgate/headgate/internal/mapping"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
)

// absence finds the records whose rows a whole pull did not bring. It keeps
// eight bytes a row.
type absence struct {
	seed    maphash.Seed
	seen    []uint64
	unknown bool // a rejected row has no key: it could be any of them
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
	for _, r := range m.rejects {
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

// deleteAbsent makes tombstones of the records whose rows are gone from the source.
func (p *puller) deleteAbsent(ctx context.Context) error {
	if p.digests.unchanged() {
		return nil
	}
	if p.absent.unknown {
		p.run.warn(fmt.Sprintf("%s: rows without a key were rejected, so nobody knows which rows are missing: none was deleted for that", p.step.Datatype))
		return nil
	}
	slices.Sort(p.absent.seen)
	for after := (store.Position{}); ; {
		docs, err := p.docs.List(ctx, store.Listing{Collection: p.records, After: after, Limit: p.pageSize()})
		if err != nil {
			return err
		}
		if len(docs) == 0 {
			return nil
		}
		after.ID = docs[len(docs)-1].ID
		if err := p.deleteAbsentOf(ctx, docs); err != nil {
			return err
		}
		if err := p.pause(ctx); err != nil {
			return err
		}
	}
}

func (p *puller) deleteAbsentOf(ctx context.Context, docs []store.Doc) error {
	m := &mapped{}
	for _, d := range docs {
		r, err := record.Parse(d.ID, d.Body)
		if err != nil {
			return err
		}
		link, ok := r.Link(p.def.ID)
		if !ok || link.Gone || r.Deleted || p.absent.has(link.Key) {
			continue
		}
		m.items = append(m.items, mapping.Mapped{Key: link.Key, Deleted: true})
	}
	if len(m.items) == 0 {
		return nil
	}
	p.fresh = false
	return p.apply(ctx, m)
}

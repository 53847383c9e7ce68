package memorystore

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// The limits are those of the embedded store, so that nothing works here alone.
const (
	maxDocCommit      = 5_000
	maxDocCommitBytes = 32 << 20
	maxDocBytes       = 16 << 20
)

// collection has the documents of a collection.
type collection struct {
	byID    *ordered[*store.Doc]
	byOrder *ordered[*store.Doc] // those with an Order
}

func newCollection() *collection {
	return &collection{
		byID: newOrdered(func(a, b *store.Doc) int { return strings.Compare(a.ID, b.ID) }),
		byOrder: newOrdered(func(a, b *store.Doc) int {
			return cmp.Or(cmp.Compare(a.Order, b.Order), strings.Compare(a.ID, b.ID))
		}),
	}
}

func (c *collection) get(id string) *store.Doc {
	if c == nil {
		return nil
	}
	d, _ := c.byID.get(&store.Doc{ID: id})
	return d
}

func (c *collection) remove(id string) {
	if d := c.get(id); d != nil {
		c.byID.remove(d)
		c.byOrder.remove(d)
	}
}

func (c *collection) put(d *store.Doc) {
	c.remove(d.ID)
	c.byID.put(d)
	if d.Order > 0 {
		c.byOrder.put(d)
	}
}

func (c *collection) purge(over func(time.Time) bool) {
	var gone []string
	for d := range c.byID.from(none[*store.Doc]) {
		if over(d.ExpireAt) {
			gone = append(gone, d.ID)
		}
	}
	for _, id := range gone {
		c.remove(id)
	}
}

// Limits implements [store.Docs].
func (s *Store) Limits() store.Limits {
	return store.Limits{MaxCommit: maxDocCommit, MaxCommitBytes: maxDocCommitBytes, MaxDocBytes: maxDocBytes}
}

// Get implements [store.Docs].
func (s *Store) Get(ctx context.Context, in store.Collection, ids []string) ([]*store.Doc, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	out := make([]*store.Doc, len(ids))
	for i, id := range ids {
		if d := s.docs[in].get(id); d != nil {
			own := copyOf(d)
			out[i] = &own
		}
	}
	return out, nil
}

func copyOf(d *store.Doc) store.Doc {
	own := *d
	own.Body = bytes.Clone(d.Body)
	return own
}

// Commit implements [store.Docs].
func (s *Store) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if err := checkCommit(writes); err != nil {
		return nil, err
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, w := range writes {
		if w.Any {
			continue
		}
		there := s.docs[w.Collection].get(w.Doc.ID)
		if there == nil && (w.Doc.Rev != "" || w.Delete) || there != nil && there.Rev != w.Doc.Rev {
			return nil, store.ErrConflict
		}
	}
	return s.write(writes), nil
}

// write makes the writes, whose conditions hold, and returns the revisions.
func (s *Store) write(writes []store.Write) []string {
	revs := make([]string, len(writes))
	for i, w := range writes {
		c := s.docs[w.Collection]
		if c == nil {
			c = newCollection()
			s.docs[w.Collection] = c
		}
		if w.Delete {
			c.remove(w.Doc.ID)
			continue
		}
		s.revision++
		d := copyOf(&w.Doc)
		d.Rev = strconv.FormatInt(s.revision, 36)
		c.put(&d)
		s.expire(d.ExpireAt)
		revs[i] = d.Rev
	}
	return revs
}

func checkCommit(writes []store.Write) error {
	if len(writes) > maxDocCommit {
		return fault.New(fault.TooLarge, "a commit has %d writes, and %d is the most", len(writes), maxDocCommit)
	}
	size := 0
	for _, w := range writes {
		if w.Doc.ID == "" {
			return fault.New(fault.Invalid, "a document needs an id")
		}
		if len(w.Doc.Body) > maxDocBytes {
			return fault.New(fault.TooLarge, "the document has %d bytes, and %d is the most", len(w.Doc.Body), maxDocBytes)
		}
		size += len(w.Doc.Body)
	}
	if size > maxDocCommitBytes {
		return fault.New(fault.TooLarge, "a commit has %d bytes, and %d is the most", size, maxDocCommitBytes)
	}
	return nil
}

// List implements [store.Docs].
func (s *Store) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	c := s.docs[l.Collection]
	if c == nil {
		return nil, nil
	}
	var out []store.Doc
	bytes := 0
	for d := range c.walk(l) {
		if len(out) == l.Limit {
			break
		}
		out = append(out, copyOf(d))
		if bytes += len(d.Body); l.Bytes > 0 && bytes >= l.Bytes {
			break
		}
	}
	return out, nil
}

// walk yields the documents behind the listing's position.
func (c *collection) walk(l store.Listing) iter.Seq[*store.Doc] {
	set := c.byID
	position := func(d *store.Doc) int { return strings.Compare(d.ID, l.After.ID) }
	if l.ByOrder {
		set = c.byOrder
		position = func(d *store.Doc) int {
			return cmp.Or(cmp.Compare(d.Order, l.After.Order), strings.Compare(d.ID, l.After.ID))
		}
	}
	switch {
	case l.Descending && l.After == (store.Position{}):
		return set.down(all[*store.Doc])
	case l.Descending:
		return set.down(func(d *store.Doc) bool { return position(d) < 0 })
	}
	return set.from(func(d *store.Doc) bool { return position(d) <= 0 })
}

// CountDocs implements [store.Docs].
func (s *Store) CountDocs(ctx context.Context, in store.Collection, limit int) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	if c := s.docs[in]; c != nil {
		return min(c.byID.len(), limit), nil
	}
	return 0, nil
}

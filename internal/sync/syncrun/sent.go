package syncrun

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/source"
)

// A change can reach the source without our knowing: the answer is lost, the process
// dies, or half of a batch is written. A later pull then finds our own value there. If it
// took that value for the source's change, it would overwrite what people edited here
// meanwhile. So each batch is kept before it leaves, in a document of its own, and
// forgotten in the commit that settles its rows. Until then a pull that finds what was
// sent takes it for what both sides agreed on (see doubt.go).
//
// A batch is one small document, not a write for each record. Only the holder of the
// lease writes these documents, and the commit of the state that goes with each write
// keeps a replaced holder out. So they need no revisions.

// sentChange is what one change set at the source.
type sentChange struct {
	Data    json.RawMessage   `json:"d,omitempty"` // the values of the fields that it set
	Digests map[string]string `json:"h,omitempty"` // instead, of values that are long
	Removed []string          `json:"r,omitempty"` // fields that it removed
	Deleted bool              `json:"x,omitempty"` // it deleted the row
}

const (
	// maxSentRow is how much is kept of a row as it is. Of a row that has more, digests
	// stand for the values that are longer than longValue.
	maxSentRow = 4 << 10
	longValue  = 64
	// maxSentDoc is what a document of them weighs, about: no driver takes less.
	maxSentDoc = 512 << 10
	// sentRoom is how many of the documents one commit may write: see commitReserve.
	sentRoom = 6
)

// newSentChange returns what the change sets; nil if a pull cannot tell which row it
// made: then its attempt says so (see attempts.go).
func newSentChange(o *outgoing, fields []string) (*sentChange, error) {
	switch {
	case o.change.Op == source.Delete:
		return &sentChange{Deleted: true}, nil
	case o.change.Op == source.Update:
		fields = o.fields
	case !o.findable():
		return nil, nil
	case fields == nil:
		fields = sortedKeys(o.sent)
	}
	c, values := &sentChange{}, make(map[string]any, len(fields))
	for _, f := range fields {
		if v, ok := o.sent[f]; ok {
			values[f] = v
		} else if o.change.Op == source.Update {
			c.Removed = append(c.Removed, f)
		}
	}
	var err error
	if c.Data, err = record.Canonical(values); err != nil || len(c.Data) <= maxSentRow {
		return c, err
	}
	c.Digests = make(map[string]string)
	for f, v := range values {
		text, err := record.Canonical(v)
		if err != nil {
			return nil, err
		}
		if len(text) > longValue {
			c.Digests[f] = digestOfValue(text)
			delete(values, f)
		}
	}
	c.Data, err = record.Canonical(values)
	return c, err
}

func digestOfValue(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:16])
}

func (c *sentChange) equal(o *sentChange) bool {
	return bytes.Equal(c.Data, o.Data) && maps.Equal(c.Digests, o.Digests) && slices.Equal(c.Removed, o.Removed) && c.Deleted == o.Deleted
}

// sent are the changes of a datatype whose outcome is not known. The zero value has none.
// It does not change: with and without return what it becomes once their writes are committed.
type sent struct {
	collection store.Collection
	docs       []sentDoc // the oldest first
	next       int
}

type sentDoc struct {
	id   string
	rows map[string][]*sentChange // by the record's id, the oldest first
}

func sentOf(syncID, datatype string) store.Collection {
	return store.Collection{Kind: "state", Scope: "sent/" + syncID + "/" + url.PathEscape(datatype)}
}

func (s *Service) readSent(ctx context.Context, syncID, datatype string) (*sent, error) {
	out := &sent{collection: sentOf(syncID, datatype), next: 1}
	l := store.Listing{Collection: out.collection, Limit: 100, Bytes: store.PageBytes}
	for {
		docs, err := s.docs.List(ctx, l)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			doc := sentDoc{id: d.ID}
			if err := json.Unmarshal(d.Body, &doc.rows); err != nil {
				return nil, fmt.Errorf("what sync %q sent, %s: %w", syncID, d.ID, err)
			}
			if _, err := fmt.Sscanf(d.ID, "%x", &out.next); err != nil {
				return nil, fmt.Errorf("what sync %q sent, %s: %w", syncID, d.ID, err)
			}
			out.next++
			out.docs = append(out.docs, doc)
			l.After.ID = d.ID
		}
		if l.Over(docs) {
			return out, nil
		}
	}
}

// of returns what was sent of the record, the oldest first.
func (s *sent) of(id string) []*sentChange {
	if s == nil || len(s.docs) == 0 {
		return nil
	}
	var out []*sentChange
	for _, d := range s.docs {
		out = append(out, d.rows[id]...)
	}
	return out
}

// with returns the writes that keep what the batch is about to send, and sets own and
// doubts of its changes. What was sent before, just so, is kept already.
func (s *sent) with(batch []*outgoing, fields []string) ([]store.Write, *sent, error) {
	next := &sent{collection: s.collection, docs: slices.Clone(s.docs), next: s.next}
	size, first := 0, len(next.docs)
	for _, o := range batch {
		c, err := newSentChange(o, fields)
		if err != nil {
			return nil, nil, err
		}
		o.doubts, o.own = s.of(o.ID), nil
		if c == nil || len(o.doubts) > 0 && o.doubts[len(o.doubts)-1].equal(c) {
			continue
		}
		if o.own = c; len(next.docs) == first || size > maxSentDoc {
			next.docs, size = append(next.docs, sentDoc{id: fmt.Sprintf("%012x", next.next), rows: map[string][]*sentChange{}}), 0
			next.next++
		}
		next.docs[len(next.docs)-1].rows[o.ID] = []*sentChange{c}
		size += len(mustJSON(c)) + 2*len(o.ID)
	}
	var writes []store.Write
	for _, d := range next.docs[first:] {
		writes = append(writes, s.write(d))
	}
	return writes, next, nil
}

// without returns the writes that forget these changes.
func (s *sent) without(known map[*sentChange]bool) ([]store.Write, *sent) {
	if len(known) == 0 {
		return nil, s
	}
	next := &sent{collection: s.collection, next: s.next}
	var writes []store.Write
	for _, d := range s.docs {
		left, changed := sentDoc{d.id, make(map[string][]*sentChange, len(d.rows))}, false
		for id, list := range d.rows {
			kept := slices.DeleteFunc(slices.Clone(list), func(c *sentChange) bool { return known[c] })
			if changed = changed || len(kept) < len(list); len(kept) > 0 {
				left.rows[id] = kept
			}
		}
		switch {
		case len(left.rows) == 0:
			writes = append(writes, store.Write{Collection: s.collection, Doc: store.Doc{ID: d.id}, Delete: true, Any: true})
			continue
		case changed:
			writes = append(writes, s.write(left))
		}
		next.docs = append(next.docs, left)
	}
	return writes, next
}

func (s *sent) write(d sentDoc) store.Write {
	return store.Write{Collection: s.collection, Doc: store.Doc{ID: d.id, Body: mustJSON(d.rows)}, Any: true}
}

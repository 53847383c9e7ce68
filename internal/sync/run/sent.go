package run

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/run/plan"
	"github.com/headgate/headgate/internal/sync/source"
)

// A change can reach the source without our knowing: the answer is lost, the process dies,
// or half of a batch is written. A later pull then finds our own value there. If it took
// that value for a change by the source, it would overwrite what people edited here
// meanwhile. So each batch is stored before it is sent, in a document of its own, and
// forgotten in the commit that settles its rows. Until then, a pull that finds what was
// sent takes it for what both sides agreed on (see plan/sent.go).
//
// A batch is one small document, and not a write for each record. Only the holder of the
// lease writes these documents, and each write is committed together with the state, which
// keeps a replaced holder out. So they need no revisions.

const (
	// maxSentDoc is about how many bytes a document of a batch has: every driver takes it.
	maxSentDoc = 512 << 10
	// sentRoom is the most of these documents that one commit may write: see commitReserve.
	sentRoom = 6
)

// newSentChange returns what the change sets. It returns nil for a creation that a pull
// could not match with its record: such a creation has an attempt (see attempts.go).
func newSentChange(o *outgoing, fields []string) (*plan.SentChange, error) {
	switch {
	case o.change.Op == source.Delete:
		return &plan.SentChange{Deleted: true}, nil
	case o.change.Op == source.Update:
		fields = o.fields
	case !o.findable():
		return nil, nil
	case fields == nil:
		fields = slices.Sorted(maps.Keys(o.sent))
	}
	values := make(map[string]any, len(fields))
	var removed []string
	for _, f := range fields {
		if v, ok := o.sent[f]; ok {
			values[f] = v
		} else if o.change.Op == source.Update {
			removed = append(removed, f)
		}
	}
	return plan.NewSentChange(values, removed)
}

// SentLog has the changes of a datatype that were sent and not answered. It is not changed:
// with and without return what it becomes once their writes are committed.
type SentLog struct {
	collection store.Collection
	docs       []sentDoc // the oldest first
	next       int
}

type sentDoc struct {
	id   string
	rows map[string][]*plan.SentChange // by the record's id, the oldest first
}

func sentOf(syncID, datatype string) store.Collection {
	return store.Collection{Kind: "state", Scope: "sent/" + syncID + "/" + url.PathEscape(datatype)}
}

// ReadSent returns what the sync sent of the datatype and got no answer for.
func ReadSent(ctx context.Context, docs store.Docs, syncID, datatype string) (*SentLog, error) {
	out := &SentLog{collection: sentOf(syncID, datatype), next: 1}
	l := store.Listing{Collection: out.collection, Limit: 100, Bytes: store.PageBytes}
	for {
		page, err := docs.List(ctx, l)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
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
		if l.Over(page) {
			return out, nil
		}
	}
}

// Of returns what was sent of the record, the oldest first.
func (s *SentLog) Of(id string) []*plan.SentChange {
	if s == nil || len(s.docs) == 0 {
		return nil
	}
	var out []*plan.SentChange
	for _, d := range s.docs {
		out = append(out, d.rows[id]...)
	}
	return out
}

// ids returns the records of which something was sent, sorted.
func (s *SentLog) ids() []string {
	var out []string
	for _, d := range s.docs {
		out = slices.AppendSeq(out, maps.Keys(d.rows))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// with returns the writes that keep what the batch is about to send, and sets own and
// doubts of its changes. A change that was sent before is stored already.
func (s *SentLog) with(batch []*outgoing, fields []string) ([]store.Write, *SentLog, error) {
	next := &SentLog{collection: s.collection, docs: slices.Clone(s.docs), next: s.next}
	size, first := 0, len(next.docs)
	for _, o := range batch {
		c, err := newSentChange(o, fields)
		if err != nil {
			return nil, nil, err
		}
		o.doubts, o.own = s.Of(o.ID), nil
		if c == nil || len(o.doubts) > 0 && o.doubts[len(o.doubts)-1].Equal(c) {
			continue
		}
		if o.own = c; len(next.docs) == first || size > maxSentDoc {
			next.docs, size = append(next.docs, sentDoc{id: fmt.Sprintf("%012x", next.next), rows: map[string][]*plan.SentChange{}}), 0
			next.next++
		}
		next.docs[len(next.docs)-1].rows[o.ID] = []*plan.SentChange{c}
		size += len(mustJSON(c)) + 2*len(o.ID)
	}
	var writes []store.Write
	for _, d := range next.docs[first:] {
		writes = append(writes, s.write(d))
	}
	return writes, next, nil
}

// without returns the writes that forget these changes.
func (s *SentLog) without(known map[*plan.SentChange]bool) ([]store.Write, *SentLog) {
	if len(known) == 0 {
		return nil, s
	}
	next := &SentLog{collection: s.collection, next: s.next}
	var writes []store.Write
	for _, d := range s.docs {
		left, changed := sentDoc{d.id, make(map[string][]*plan.SentChange, len(d.rows))}, false
		for id, list := range d.rows {
			kept := slices.DeleteFunc(slices.Clone(list), func(c *plan.SentChange) bool { return known[c] })
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

func (s *SentLog) write(d sentDoc) store.Write {
	return store.Write{Collection: s.collection, Doc: store.Doc{ID: d.id, Body: mustJSON(d.rows)}, Any: true}
}

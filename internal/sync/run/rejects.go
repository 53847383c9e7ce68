package run

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// Rejected is a row that a pull refused, or a record that a push refused.
type Rejected struct {
	ID       string               `json:"id"`
	Phase    definition.Direction `json:"phase"`
	Datatype string               `json:"datatype"`
	Line     int64                `json:"line,omitempty"`
	Key      string               `json:"key,omitempty"`
	Field    string               `json:"field,omitempty"`
	Reason   string               `json:"reason"`
	Raw      json.RawMessage      `json:"raw,omitempty"`    // of a pull: the row as it came
	Mapped   json.RawMessage      `json:"mapped,omitempty"` // of a push: the record's data
	Count    int                  `json:"count"`            // runs that refused it
	RunID    string               `json:"runId"`            // the latest of them
	First    time.Time            `json:"firstRejectedAt"`
	Last     time.Time            `json:"lastRejectedAt"`
}

// maxRaw bounds what is kept of a row.
const maxRaw = 64 << 10

// rejectID is the same for the same row, so that a row which is refused again is on the
// list once. A row goes by its key or, if that is unknown, by its content.
func rejectID(phase definition.Direction, datatype, what string) string {
	sum := sha256.Sum256([]byte(string(phase) + "\x00" + datatype + "\x00" + what))
	return hex.EncodeToString(sum[:12])
}

// rejectIDOf returns the id of the reject of the row with that key.
func rejectIDOf(phase definition.Direction, datatype, key string) string {
	return rejectID(phase, datatype, "key\x00"+key)
}

func newRejected(phase definition.Direction, datatype string, r source.Reject) *Rejected {
	raw, err := json.Marshal(r.Raw)
	if err != nil || r.Raw == nil {
		raw = nil
	}
	id := rejectIDOf(phase, datatype, r.Key)
	if r.Key == "" {
		id = rejectID(phase, datatype, fmt.Sprintf("raw\x00%d\x00%s", r.Line, raw))
	}
	if bytes.Contains(raw, []byte(`\ufffd`)) {
		// encoding/json replaced text that is not UTF-8. As a text, the row is only shown. As an
		// object, a retry would accept it with the replacements.
		raw, _ = json.Marshal(string(raw))
	}
	if len(raw) > maxRaw {
		raw, _ = json.Marshal(fmt.Sprintf("%.2000s… (%d bytes)", raw, len(raw)))
	}
	return &Rejected{
		ID: id, Phase: phase, Datatype: datatype,
		Line: r.Line, Key: r.Key, Field: r.Field, Reason: r.Reason, Raw: raw,
	}
}

// rejectList keeps the rejects of a sync. It knows which there are when a step begins, so
// that a row which is accepted now is taken off the list in the same commit.
type rejectList struct {
	docs       store.Docs
	collection store.Collection
	known      map[string]bool
}

func newRejectList(docs store.Docs, syncID string) *rejectList {
	return &rejectList{docs: docs, collection: store.Collection{Kind: "rejects", Scope: syncID}}
}

// maxRejectIDs bounds how many are known. Others stay on the list until they are retried.
const maxRejectIDs = 50_000

func (r *rejectList) load(ctx context.Context) error {
	r.known = make(map[string]bool)
	for after := ""; len(r.known) < maxRejectIDs; {
		page, err := r.page(ctx, after, 500)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, d := range page {
			r.known[d.ID] = true
			after = d.ID
		}
	}
	return nil
}

func (r *rejectList) page(ctx context.Context, after string, limit int) ([]store.Doc, error) {
	return r.docs.List(ctx, store.Listing{Collection: r.collection, After: store.Position{ID: after}, Limit: limit, Bytes: store.PageBytes})
}

// accepted adds the write that takes the row of the key off the list if it is there.
func (r *rejectList) accepted(writes []store.Write, phase definition.Direction, datatype, key string) []store.Write {
	if len(r.known) == 0 { // as nearly always: then no id is made
		return writes
	}
	if id := rejectIDOf(phase, datatype, key); r.known[id] {
		return append(writes, r.clear(id))
	}
	return writes
}

func (r *rejectList) clear(id string) store.Write {
	return store.Write{Collection: r.collection, Doc: store.Doc{ID: id}, Delete: true, Any: true}
}

// keep returns the writes that keep what a run refused.
func (r *rejectList) keep(ctx context.Context, refused []*Rejected, runID string, now time.Time) ([]store.Write, error) {
	if len(refused) == 0 {
		return nil, nil
	}
	byID := make(map[string]*Rejected, len(refused))
	ids := make([]string, 0, len(refused))
	for _, x := range refused {
		if byID[x.ID] == nil {
			ids = append(ids, x.ID)
		}
		byID[x.ID] = x
	}
	docs, err := r.docs.Get(ctx, r.collection, ids)
	if err != nil {
		return nil, err
	}
	writes := make([]store.Write, len(ids))
	for i, id := range ids {
		x := byID[id]
		x.First, x.Last, x.Count, x.RunID = now, now, 1, runID
		if docs[i] != nil {
			before, err := parseRejected(*docs[i])
			if err != nil {
				return nil, err
			}
			x.First, x.Count = before.First, before.Count
			if before.RunID != runID { // a page that is repeated counts once
				x.Count++
			}
		}
		writes[i] = store.Write{Collection: r.collection, Doc: store.Doc{ID: id, Body: mustJSON(x)}, Any: true}
	}
	return writes, nil
}

// clearRetried adds writes that take retried rows off the list. Rows that the other
// writes name already are left out: a commit names a document once. A row can be refused
// under another id than before: without a key then, and with one by another mapping now.
func (r *rejectList) clearRetried(writes, rejected []store.Write, retried []string) []store.Write {
	if len(retried) == 0 {
		return writes
	}
	done := make(map[string]bool)
	for _, w := range append(writes[:len(writes):len(writes)], rejected...) {
		if w.Collection == r.collection {
			done[w.Doc.ID] = true
		}
	}
	for _, id := range retried {
		if !done[id] {
			writes = append(writes, r.clear(id))
		}
	}
	return writes
}

func parseRejected(d store.Doc) (*Rejected, error) {
	x := new(Rejected)
	if err := json.Unmarshal(d.Body, x); err != nil {
		return nil, fmt.Errorf("reject %s: %w", d.ID, err)
	}
	return x, nil
}

func fieldOf(name string) []FieldChange {
	if name == "" {
		return nil
	}
	return []FieldChange{{Field: name}}
}

// Rejects returns a page of a sync's rejects, by id.
func (s *Service) Rejects(ctx context.Context, id, after string, limit int) (list []*Rejected, next string, err error) {
	return pageOf[Rejected](ctx, s, id, newRejectList(s.docs, id).collection, after, limit)
}

// pageOf returns a page of a sync's documents, by id, and the id after which to continue.
func pageOf[T any](ctx context.Context, s *Service, id string, c store.Collection, after string, limit int) (list []*T, next string, err error) {
	if _, err := s.defs.Get(ctx, id); err != nil {
		return nil, "", err
	}
	page := store.Paged[*T]{Limit: limit, Items: []*T{}}
	for {
		l := store.Listing{Collection: c, After: store.Position{ID: after}, Limit: page.Want(), Bytes: store.PageBytes}
		docs, err := s.docs.List(ctx, l)
		if err != nil {
			return nil, "", err
		}
		for _, d := range docs {
			one := new(T)
			if err := json.Unmarshal(d.Body, one); err != nil {
				return nil, "", fmt.Errorf("%s %s: %w", c.Kind, d.ID, err)
			}
			if !page.Add(one, len(d.Body)) {
				return page.Items, after, nil
			}
			after = d.ID
		}
		if l.Over(docs) {
			return page.Items, "", nil
		}
	}
}

package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/source"
)

// Rejected is a row, or a record on its way out, that was refused.
type Rejected struct {
	ID       string          `json:"id"`
	Phase    Direction       `json:"phase"`
	Datatype string          `json:"datatype"`
	Line     int64           `json:"line,omitempty"`
	Key      string          `json:"key,omitempty"`
	Field    string          `json:"field,omitempty"`
	Reason   string          `json:"reason"`
	Raw      json.RawMessage `json:"raw,omitempty"`    // the row as it came
	Mapped   json.RawMessage `json:"mapped,omitempty"` // the record, on its way out
	Count    int             `json:"count"`            // how often it was refused
	RunID    string          `json:"runId"`            // that refused it last
	First    time.Time       `json:"firstRejectedAt"`
	Last     time.Time       `json:"lastRejectedAt"`
}

func rejectsOf(syncID string) store.Collection {
	return store.Collection{Kind: "rejects", Scope: syncID}
}

// maxRaw bounds what is kept of a row.
const maxRaw = 64 << 10

// rejectID is the same for the same row: by its key where that is known, by what
// it holds where not.
func rejectID(phase Direction, datatype, what string) string {
	sum := sha256.Sum256([]byte(string(phase) + "\x00" + datatype + "\x00" + what))
	return hex.EncodeToString(sum[:12])
}

func (p *puller) rejectID(key string) string {
	return rejectID(Pull, p.step.Datatype, "key\x00"+key)
}

func newRejected(phase Direction, datatype string, r source.Reject) *Rejected {
	raw, err := json.Marshal(r.Raw)
	if err != nil || r.Raw == nil {
		raw = nil
	}
	what := "key\x00" + r.Key
	if r.Key == "" {
		what = fmt.Sprintf("raw\x00%d\x00%s", r.Line, raw)
	}
	if len(raw) > maxRaw {
		raw, _ = json.Marshal(fmt.Sprintf("%.2000s… (%d bytes)", raw, len(raw)))
	}
	return &Rejected{
		ID: rejectID(phase, datatype, what), Phase: phase, Datatype: datatype,
		Line: r.Line, Key: r.Key, Field: r.Field, Reason: r.Reason, Raw: raw,
	}
}

// rejectIDs are the rejects that a sync has of a phase and datatype, as far as
// they fit: rows that are accepted now are taken off the list.
type rejectIDs struct {
	collection store.Collection
	ids        map[string]bool
}

// maxRejectIDs bounds them in memory. Beyond it, old rejects stay until retried.
const maxRejectIDs = 50_000

func (s *Service) rejectsOf(ctx context.Context, syncID, datatype string) (rejectIDs, error) {
	out := rejectIDs{collection: rejectsOf(syncID)}
	for after := (store.Position{}); len(out.ids) < maxRejectIDs; {
		docs, err := s.docs.List(ctx, store.Listing{Collection: out.collection, After: after, Limit: 500, Bytes: store.PageBytes})
		if err != nil || len(docs) == 0 {
			return out, err
		}
		for _, d := range docs {
			if out.ids == nil {
				out.ids = make(map[string]bool)
			}
			out.ids[d.ID] = true
			after.ID = d.ID
		}
	}
	return out, nil
}

func (r rejectIDs) has(id string) bool { return r.ids != nil && r.ids[id] }

func (r rejectIDs) clear(id string) store.Write {
	return store.Write{Collection: r.collection, Doc: store.Doc{ID: id}, Delete: true, Any: true}
}

// rejectWrites keeps the rows that were refused.
func (e *execution) rejectWrites(ctx context.Context, phase Direction, datatype string, rejects []*Rejected) ([]store.Write, error) {
	if len(rejects) == 0 {
		return nil, nil
	}
	c := rejectsOf(e.def.ID)
	byID := make(map[string]*Rejected, len(rejects))
	ids := make([]string, 0, len(rejects))
	for _, r := range rejects {
		if byID[r.ID] == nil {
			ids = append(ids, r.ID)
		}
		byID[r.ID] = r
	}
	docs, err := e.docs.Get(ctx, c, ids)
	if err != nil {
		return nil, err
	}
	now := e.clock()
	writes := make([]store.Write, len(ids))
	for i, id := range ids {
		r := byID[id]
		r.First, r.Last, r.Count, r.RunID = now, now, 1, e.run.ID
		if docs[i] != nil {
			var before Rejected
			if err := json.Unmarshal(docs[i].Body, &before); err != nil {
				return nil, fmt.Errorf("reject %s: %w", id, err)
			}
			r.First, r.Count = before.First, before.Count
			if before.RunID != e.run.ID { // a page that is repeated counts once
				r.Count++
			}
		}
		writes[i] = store.Write{Collection: c, Doc: store.Doc{ID: id, Body: mustJSON(r)}, Any: true}
	}
	return writes, nil
}

func (p *puller) rejectWrites(ctx context.Context, rejects []source.Reject) ([]store.Write, error) {
	all := make([]*Rejected, len(rejects))
	for i, r := range rejects {
		all[i] = newRejected(Pull, p.step.Datatype, r)
	}
	return p.execution.rejectWrites(ctx, Pull, p.step.Datatype, all)
}

// clearRetried takes the rejects off the list whose rows are accepted now, or refused
// under another id: a row that had no key has one with another mapping.
func (p *puller) clearRetried(writes, rejected []store.Write, retried []string) []store.Write {
	if len(retried) == 0 {
		return writes
	}
	done := make(map[string]bool)
	for _, w := range append(writes[:len(writes):len(writes)], rejected...) {
		if w.Collection == p.rejects.collection {
			done[w.Doc.ID] = true
		}
	}
	for _, id := range retried {
		if !done[id] {
			writes = append(writes, p.rejects.clear(id))
		}
	}
	return writes
}

func (p *puller) planRejects(rejects []source.Reject) {
	for _, r := range rejects {
		p.plan(PlannedChange{
			Phase: Pull, Datatype: p.step.Datatype, ID: r.Key, Line: r.Line, Action: "reject",
			Fields: fieldOf(r.Field), Reason: r.Reason,
		})
	}
}

func fieldOf(name string) []FieldChange {
	if name == "" {
		return nil
	}
	return []FieldChange{{Field: name}}
}

// Rejects returns a page of a sync's rejects, by id.
func (s *Service) Rejects(ctx context.Context, id, after string, limit int) (rejects []*Rejected, next string, err error) {
	return pageOf[Rejected](ctx, s, id, rejectsOf(id), after, limit)
}

// pageOf returns a page of what is kept for a sync, by id, and the id to go on after.
func pageOf[T any](ctx context.Context, s *Service, id string, kept store.Collection, after string, limit int) (list []*T, next string, err error) {
	if _, err := s.Sync(ctx, id); err != nil {
		return nil, "", err
	}
	l := store.Listing{Collection: kept, After: store.Position{ID: after}, Limit: limit, Bytes: store.PageBytes}
	docs, err := s.docs.List(ctx, l)
	if err != nil {
		return nil, "", fault.StoreAway(err)
	}
	list = make([]*T, len(docs))
	for i, d := range docs {
		list[i] = new(T)
		if err := json.Unmarshal(d.Body, list[i]); err != nil {
			return nil, "", fmt.Errorf("%s %s: %w", kept.Kind, d.ID, err)
		}
	}
	if !l.Over(docs) {
		next = docs[len(docs)-1].ID
	}
	return list, next, nil
}

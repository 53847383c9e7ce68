package run

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/run/plan"
)

// Conflict is a record whose fields both sides changed, under the rule manual.
type Conflict struct {
	RecordID string          `json:"recordId"`
	Datatype string          `json:"datatype"`
	Fields   []FieldConflict `json:"fields"`
	// Deleted says that the row was deleted at the source, and the record edited here.
	Deleted bool `json:"deleted,omitempty"`
	// DeletedHere says that the record was deleted here, and the row edited at the source.
	DeletedHere bool      `json:"deletedHere,omitempty"`
	Since       time.Time `json:"since"`
}

// FieldConflict has a field's three values. A value is absent where a side has none.
type FieldConflict struct {
	Field  string `json:"field"`
	Base   any    `json:"base,omitempty"` // what both sides last agreed on
	Store  any    `json:"store,omitempty"`
	Source any    `json:"source,omitempty"`
}

func parseConflict(d store.Doc) (*Conflict, error) {
	x := new(Conflict)
	if err := json.Unmarshal(d.Body, x); err != nil {
		return nil, fmt.Errorf("conflict %s: %w", d.ID, err)
	}
	return x, nil
}

// Conflicts keeps the conflicts of a sync.
type Conflicts struct {
	docs       store.Docs
	def        *definition.Sync
	collection store.Collection
	// deleted are the conflicts about rows that were deleted. Such a row can come back
	// unchanged: then there is nothing to merge, and still the conflict is over.
	deleted map[string]bool
}

// NewConflicts returns the conflicts of the sync.
func NewConflicts(docs store.Docs, def *definition.Sync) *Conflicts {
	return &Conflicts{docs: docs, def: def, collection: conflictsOf(def.ID)}
}

func conflictsOf(syncID string) store.Collection {
	return store.Collection{Kind: "conflicts", Scope: syncID}
}

func conflictID(datatype, recordID string) string { return url.PathEscape(datatype) + "/" + recordID }

// maxDeletedRows bounds the conflicts that load reads.
const maxDeletedRows = 10_000

// load reads which conflicts are about rows that were deleted.
func (c *Conflicts) load(ctx context.Context) error {
	if c.def.ConflictRule() != definition.Manual {
		return nil
	}
	c.deleted = make(map[string]bool)
	for after, n := (store.Position{}), 0; n < maxDeletedRows; {
		docs, err := c.docs.List(ctx, store.Listing{Collection: c.collection, After: after, Limit: 500, Bytes: store.PageBytes})
		if err != nil || len(docs) == 0 {
			return err
		}
		for _, d := range docs {
			x, err := parseConflict(d)
			if err != nil {
				return err
			}
			if x.Deleted {
				c.deleted[d.ID] = true
			}
			after.ID = d.ID
		}
		n += len(docs)
	}
	return nil
}

// Append appends the write that keeps what a decision leaves to a person, or that forgets
// a conflict that is over.
func (c *Conflicts) Append(ctx context.Context, writes []store.Write, datatype string, old *StoredRecord, d plan.Outcome, now time.Time) ([]store.Write, error) {
	if c.def.ConflictRule() != definition.Manual || old.Record == nil {
		return writes, nil
	}
	id := conflictID(datatype, old.ID)
	before, _ := old.Link(c.def.ID)
	if len(d.Conflicts) == 0 {
		back := c.deleted[id]
		if !back && (d.Record == nil || len(before.Held) == 0 || len(d.Record.Links[c.def.ID].Held) > 0) {
			return writes, nil
		}
		return append(writes, store.Write{Collection: c.collection, Doc: store.Doc{ID: id}, Delete: true, Any: true}), nil
	}
	docs, err := c.docs.Get(ctx, c.collection, []string{id})
	if err != nil {
		return nil, err
	}
	x := &Conflict{RecordID: old.ID, Datatype: datatype, Since: now}
	if docs[0] != nil {
		if x, err = parseConflict(*docs[0]); err != nil {
			return nil, err
		}
	}
	x.Deleted, x.DeletedHere = false, false // the row or the record may be there again
	for _, n := range d.Conflicts {
		if n.Field == plan.HeldDeletion {
			x.Deleted, x.DeletedHere, x.Fields = n.Source == nil, n.Source != nil, []FieldConflict{}
			if x.DeletedHere {
				x.Fields = rowChanges(n.Base, n.Source)
			}
			continue
		}
		x.Fields = slices.DeleteFunc(x.Fields, func(f FieldConflict) bool { return f.Field == n.Field })
		x.Fields = append(x.Fields, FieldConflict{Field: n.Field, Base: n.Base, Store: n.Store, Source: n.Source})
	}
	return append(writes, store.Write{Collection: c.collection, Doc: store.Doc{ID: id, Body: mustJSON(x)}, Any: true}), nil
}

// rowChanges returns the fields that changed at the source of a record that is deleted
// here.
func rowChanges(base, theirs any) []FieldConflict {
	was, _ := base.(map[string]any)
	now, _ := theirs.(map[string]any)
	out := []FieldConflict{}
	for _, c := range record.Diff(was, now, nil) {
		out = append(out, FieldConflict{Field: c.Field, Base: c.Old, Source: c.New})
	}
	return out
}

// Conflicts returns a page of a sync's conflicts, by id.
func (s *Service) Conflicts(ctx context.Context, id, after string, limit int) (list []*Conflict, next string, err error) {
	return pageOf[Conflict](ctx, s, id, conflictsOf(id), after, limit)
}

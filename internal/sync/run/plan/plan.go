// Package plan decides what a pulled row does to a record. It reads and writes nothing:
// an outcome is a function of the row, the record, the sync's rule and the time.
//
// What every outcome keeps:
//
//   - A row that brings nothing new changes nothing. So a page that is pulled again,
//     after a crash or because of an overlap, has no effect.
//   - A record's link remembers what both sides last agreed on, its base. Only against
//     the base can a change here be told from a change there; without it, every
//     difference would look like a conflict, or like an edit to undo.
//   - What came from the source is not pushed back to it: where both sides are equal
//     after the merge, the link has no base, and a push passes over the record.
//   - A value that we sent is no change by the source, also while no answer has come:
//     it does not overwrite what people wrote here since.
//   - A deletion wins over nothing that somebody edited meanwhile, unless the rule says
//     so. Under the rule manual neither side is deleted before a person decides.
package plan

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
)

// Effect says how a row affects a record.
type Effect int

// The effects.
const (
	Unchanged Effect = iota
	Linked           // the data stays; the record's link to the row changes
	Created
	Updated
	Deleted
)

func (e Effect) String() string {
	switch e {
	case Created:
		return "created"
	case Updated:
		return "updated"
	case Deleted:
		return "deleted"
	default:
		return "unchanged"
	}
}

// Outcome is the decision about one row.
type Outcome struct {
	Effect    Effect
	Record    *record.Record // to write; nil: nothing
	Conflicts []record.Conflict
	// Pushes reports that the source lacks some of the record's values, so that the
	// record has to take its place in the order that pushes read.
	Pushes bool
	// Clashes counts the fields that both sides changed, and a deletion on one side of
	// a record that the other side changed. It counts them under every rule.
	Clashes int
	// Seen are changes of ours whose outcome the row shows.
	Seen []*SentChange
}

// Planner decides about the rows of a datatype.
type Planner struct {
	Sync   string   // the sync's id, under which records link to its rows
	Fields []string // that the mapping sets; nil: all
	Rule   definition.Rule
	Now    time.Time
	// Sent returns what was sent of a record and not answered, the oldest first. nil: nothing.
	Sent func(id string) []*SentChange
}

// Pulled decides what a row does to the record of that id, nil if there is none.
func (p *Planner) Pulled(m *mapping.Mapped, id string, old *record.Record) (Outcome, error) {
	if old == nil {
		return p.create(m, id), nil
	}
	link, known := old.Link(p.Sync)
	var sent []*SentChange
	if p.Sent != nil {
		sent = p.Sent(id)
	}
	// Nearly all rows of most pulls end here. Comparing bytes is enough: both are
	// canonical JSON.
	if sent == nil && known && link.Base == nil && !link.Gone && !old.Deleted && !m.Deleted &&
		bytes.Equal(old.Data, m.Data) && contains(old.ExternalIDs, m.ExternalIDs) {
		return Outcome{}, nil
	}
	if m.Deleted {
		out, err := p.gone(m, old, link, known, sent)
		if known && !link.Gone { // otherwise it was gone before, and a creation can be on its way
			out.Seen = sent
		}
		return out, err
	}
	return p.merge(m, old, link, known, sent)
}

func (p *Planner) create(m *mapping.Mapped, id string) Outcome {
	if m.Deleted {
		return Outcome{}
	}
	r := &record.Record{ID: id, Version: 1, UpdatedAt: p.Now, Data: m.Data, ExternalIDs: m.ExternalIDs}
	r.SetLink(p.Sync, record.Link{Key: m.Key})
	return Outcome{Effect: Created, Record: r}
}

// gone decides about a row that is deleted at the source.
func (p *Planner) gone(m *mapping.Mapped, old *record.Record, link record.Link, known bool, sent []*SentChange) (Outcome, error) {
	if !known || link.Gone {
		return Outcome{}, nil // the record never was that row, or its deletion is known
	}
	base, ours, err := sides(old, link)
	if err != nil {
		return Outcome{}, err
	}
	r := old.Clone()
	if !old.Deleted && Deletes(sent) { // we deleted the row, and the record was created again since
		delete(r.Links, p.Sync)
		return Outcome{Effect: Linked, Record: r, Pushes: true}, nil
	}
	edited := len(record.Diff(base, ours, p.Fields)) > 0
	if old.Deleted || !edited || p.winner(m, old) == record.Source {
		r.SetLink(p.Sync, record.Link{Key: link.Key, Gone: true})
		if old.Deleted {
			return Outcome{Effect: Linked, Record: r}, nil
		}
		r.Delete(p.Now)
		out := Outcome{Effect: Deleted, Record: r}
		if edited {
			out.Clashes = 1
		}
		return out, nil
	}
	if p.Rule == definition.Manual {
		return Outcome{Effect: Unchanged, Clashes: 1, Conflicts: []record.Conflict{{Field: HeldDeletion, Base: base, Store: ours, Taken: "store"}}}, nil
	}
	// The edit wins. Without a link the next push creates the row again.
	delete(r.Links, p.Sync)
	return Outcome{Effect: Linked, Record: r, Pushes: true, Clashes: 1}, nil
}

// merge brings the record and its row together, field by field.
func (p *Planner) merge(m *mapping.Mapped, old *record.Record, link record.Link, known bool, sent []*SentChange) (Outcome, error) {
	theirs, err := record.Decode(m.Data)
	if err != nil {
		return Outcome{}, err
	}
	base, ours, err := sides(old, link)
	if err != nil {
		return Outcome{}, err
	}
	if !known || link.Gone {
		base = nil // both sides never agreed on anything: what differs is a conflict
	}
	var seen []*SentChange
	if sent != nil {
		if base, seen = agreed(base, theirs, sent, p.Fields); old.Deleted && !known && creates(sent) {
			base, seen = theirs, sent // what a creation in doubt made
		}
	}
	if seen == nil && known && !link.Gone && len(record.Diff(base, theirs, p.Fields)) == 0 {
		// The source has what it had. Whatever differs was changed here.
		if contains(old.ExternalIDs, m.ExternalIDs) {
			return Outcome{Pushes: link.Base != nil}, nil
		}
		r := old.Clone()
		maps.Copy(r.ExternalIDs, m.ExternalIDs)
		return Outcome{Effect: Linked, Record: r, Pushes: link.Base != nil}, nil
	}
	r := old.Clone()
	maps.Copy(r.ExternalIDs, m.ExternalIDs)
	if old.Deleted {
		if link.Unseen || seen != nil && len(record.Diff(base, theirs, p.Fields)) == 0 { // all that is new there is ours
			r.SetLink(p.Sync, record.Link{Key: m.Key, Base: m.Data, Held: link.Held}) // the deletion is still to be pushed
			return Outcome{Effect: Linked, Record: r, Pushes: true, Seen: seen}, nil
		}
		out := p.revive(m, r, link, known || seen != nil, base, theirs)
		out.Seen = seen
		return out, nil
	}
	merged, conflicts := record.Merge(base, ours, theirs, p.Fields, p.winner(m, old))
	out := Outcome{Effect: Linked, Record: r, Clashes: len(conflicts), Seen: seen}
	if len(record.Diff(ours, merged, nil)) > 0 {
		data, err := record.Canonical(merged)
		if err != nil {
			return Outcome{}, err
		}
		r.Edit(data, p.Now)
		out.Effect = Updated
	}
	next := record.Link{Key: m.Key}
	if len(record.Diff(merged, theirs, p.Fields)) > 0 {
		next.Base = m.Data // the source has this; what differs is to be pushed
		out.Pushes = true
	}
	if p.Rule == definition.Manual {
		out.Conflicts = conflicts
		next.Held = p.held(link.Held, conflicts, merged, theirs)
	}
	r.SetLink(p.Sync, next)
	return out, nil
}

// revive decides about a row that changed at the source after the record was
// deleted here.
func (p *Planner) revive(m *mapping.Mapped, r *record.Record, link record.Link, known bool, base, theirs map[string]any) Outcome {
	if !known || link.Gone || p.winner(m, r) == record.Source {
		r.Edit(m.Data, p.Now)
		r.SetLink(p.Sync, record.Link{Key: m.Key})
		out := Outcome{Effect: Updated, Record: r}
		if known && !link.Gone {
			out.Clashes = 1
		}
		return out
	}
	if p.Rule == definition.Manual { // the held deletion is not pushed either
		r.SetLink(p.Sync, record.Link{Key: m.Key, Base: m.Data, Held: []string{HeldDeletion}})
		return Outcome{Effect: Linked, Record: r, Clashes: 1, Conflicts: []record.Conflict{{Field: HeldDeletion, Base: base, Source: theirs, Taken: "store"}}}
	}
	r.SetLink(p.Sync, record.Link{Key: m.Key, Base: m.Data}) // the deletion is still to be pushed
	return Outcome{Effect: Linked, Record: r, Pushes: true, Clashes: 1}
}

// HeldDeletion stands for a record's deletion among the held fields of a link and the
// fields of a conflict. No field has an empty name.
const HeldDeletion = ""

// sides returns what the source had last, and what the record has.
func sides(r *record.Record, link record.Link) (base, ours map[string]any, err error) {
	if ours, err = record.Decode(r.Data); err != nil {
		return nil, nil, err
	}
	base = ours
	if link.Base != nil {
		base, err = record.Decode(link.Base)
	}
	return base, ours, err
}

// winner turns the sync's rule into one for this row.
func (p *Planner) winner(m *mapping.Mapped, r *record.Record) record.Rule {
	switch p.Rule {
	case definition.StoreWins:
		return record.Store
	case definition.Manual:
		return record.Manual
	case definition.Newest:
		if !m.Time.After(r.UpdatedAt) {
			return record.Store
		}
	}
	return record.Source
}

// held returns the fields that wait for a decision: those that waited and still
// differ, and the new ones.
func (p *Planner) held(before []string, conflicts []record.Conflict, merged, theirs map[string]any) []string {
	differs := make(map[string]bool)
	for _, d := range record.Diff(merged, theirs, p.Fields) {
		differs[d.Field] = true
	}
	var held []string
	for _, f := range before {
		if differs[f] {
			held = append(held, f)
		}
	}
	for _, c := range conflicts {
		held = append(held, c.Field)
	}
	slices.Sort(held)
	return slices.Compact(held)
}

func contains(have, want map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}

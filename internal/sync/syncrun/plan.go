package syncrun

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/mapping"
)

// effect is what a pulled row comes to.
type effect int

const (
	unchanged effect = iota
	linked           // nothing new in the data, but the record is now known to be that row
	created
	updated
	deleted
)

// planned is the decision about one pulled row.
type planned struct {
	effect    effect
	record    *record.Record // to be written; nil if unchanged
	conflicts []record.Conflict
	// pushes: the source does not have all of the record's fields as they are now.
	pushes bool
	// clashes are the fields that both sides changed, and a deletion here or there of what
	// the other side changed, whatever the rule made of them.
	clashes int
	// seen are changes of ours whose outcome the row shows.
	seen []*sentChange
}

// planner decides about the rows of a datatype. It reads and writes nothing.
type planner struct {
	sync   string
	fields []string // that the mapping sets; nil: all
	rule   Rule
	now    time.Time
	sent   *sent // what was sent and not answered
}

// pulled decides what a row does to the record with that id, nil if there is none.
func (p *planner) pulled(m *mapping.Mapped, id string, old *record.Record) (planned, error) {
	if old == nil {
		return p.create(m, id), nil
	}
	link, known := old.Link(p.sync)
	sent := p.sent.of(id)
	if sent == nil && known && link.Base == nil && !link.Gone && !old.Deleted && !m.Deleted &&
		bytes.Equal(old.Data, m.Data) && contains(old.ExternalIDs, m.ExternalIDs) {
		return planned{}, nil // the most usual case by far
	}
	if m.Deleted {
		out, err := p.gone(m, old, link, known, sent)
		if known && !link.Gone { // else it was gone before, and a creation can be on its way
			out.seen = sent
		}
		return out, err
	}
	return p.merge(m, old, link, known, sent)
}

func (p *planner) create(m *mapping.Mapped, id string) planned {
	if m.Deleted {
		return planned{}
	}
	r := &record.Record{ID: id, Version: 1, UpdatedAt: p.now, Data: m.Data, ExternalIDs: m.ExternalIDs}
	r.SetLink(p.sync, record.Link{Key: m.Key})
	return planned{effect: created, record: r}
}

// gone decides about a row that is deleted at the source.
func (p *planner) gone(m *mapping.Mapped, old *record.Record, link record.Link, known bool, sent []*sentChange) (planned, error) {
	if !known || link.Gone {
		return planned{}, nil
	}
	base, ours, err := p.sides(old, link)
	if err != nil {
		return planned{}, err
	}
	r := old.Clone()
	if !old.Deleted && deletedByUs(sent) { // the record is there again since we deleted the row
		delete(r.Links, p.sync)
		return planned{effect: linked, record: r, pushes: true}, nil
	}
	edited := len(record.Diff(base, ours, p.fields)) > 0
	if old.Deleted || !edited || p.winner(m, old) == record.Source {
		r.SetLink(p.sync, record.Link{Key: link.Key, Gone: true})
		if old.Deleted {
			return planned{effect: linked, record: r}, nil
		}
		r.Delete(p.now)
		out := planned{effect: deleted, record: r}
		if edited {
			out.clashes = 1
		}
		return out, nil
	}
	if p.rule == Manual {
		return planned{effect: unchanged, clashes: 1, conflicts: []record.Conflict{{Field: heldDeletion, Base: base, Store: ours, Taken: "store"}}}, nil
	}
	delete(r.Links, p.sync) // it lives on here, and is new to the source
	return planned{effect: linked, record: r, pushes: true, clashes: 1}, nil
}

// merge brings the record and its row together, field by field.
func (p *planner) merge(m *mapping.Mapped, old *record.Record, link record.Link, known bool, sent []*sentChange) (planned, error) {
	theirs, err := record.Decode(m.Data)
	if err != nil {
		return planned{}, err
	}
	base, ours, err := p.sides(old, link)
	if err != nil {
		return planned{}, err
	}
	if !known || link.Gone {
		base = nil
	}
	var seen []*sentChange
	if sent != nil {
		base, seen = agreed(base, theirs, sent, p.fields)
	}
	if seen == nil && known && !link.Gone && len(record.Diff(base, theirs, p.fields)) == 0 {
		if contains(old.ExternalIDs, m.ExternalIDs) {
			return planned{pushes: link.Base != nil}, nil // nothing new at the source
		}
		r := old.Clone()
		maps.Copy(r.ExternalIDs, m.ExternalIDs)
		return planned{effect: linked, record: r, pushes: link.Base != nil}, nil
	}
	r := old.Clone()
	maps.Copy(r.ExternalIDs, m.ExternalIDs)
	if old.Deleted {
		if seen != nil && len(record.Diff(base, theirs, p.fields)) == 0 { // all that is new there is ours
			r.SetLink(p.sync, record.Link{Key: m.Key, Base: m.Data, Held: link.Held}) // the deletion is still to be pushed
			return planned{effect: linked, record: r, pushes: true, seen: seen}, nil
		}
		out := p.revive(m, r, link, known || seen != nil, base, theirs)
		out.seen = seen
		return out, nil
	}
	merged, conflicts := record.Merge(base, ours, theirs, p.fields, p.winner(m, old))
	out := planned{effect: linked, record: r, clashes: len(conflicts), seen: seen}
	if len(record.Diff(ours, merged, nil)) > 0 {
		data, err := record.Canonical(merged)
		if err != nil {
			return planned{}, err
		}
		r.Edit(data, p.now)
		out.effect = updated
	}
	next := record.Link{Key: m.Key}
	if len(record.Diff(merged, theirs, p.fields)) > 0 {
		next.Base = m.Data
		out.pushes = true
	}
	if p.rule == Manual {
		out.conflicts = conflicts
		next.Held = p.held(link.Held, conflicts, merged, theirs)
	}
	r.SetLink(p.sync, next)
	return out, nil
}

// revive decides about a row that changed at the source after the record was
// deleted here.
func (p *planner) revive(m *mapping.Mapped, r *record.Record, link record.Link, known bool, base, theirs map[string]any) planned {
	r.SetLink(p.sync, record.Link{Key: m.Key})
	if !known || link.Gone || p.winner(m, r) == record.Source {
		r.Edit(m.Data, p.now)
		r.SetLink(p.sync, record.Link{Key: m.Key})
		out := planned{effect: updated, record: r}
		if known && !link.Gone {
			out.clashes = 1
		}
		return out
	}
	if p.rule == Manual { // nor is the deletion pushed until somebody decides
		r.SetLink(p.sync, record.Link{Key: m.Key, Base: m.Data, Held: []string{heldDeletion}})
		return planned{effect: linked, record: r, clashes: 1, conflicts: []record.Conflict{{Field: heldDeletion, Base: base, Source: theirs, Taken: "store"}}}
	}
	r.SetLink(p.sync, record.Link{Key: m.Key, Base: m.Data}) // the deletion is still to be pushed
	return planned{effect: linked, record: r, pushes: true, clashes: 1}
}

// heldDeletion stands among a link's held fields for the record's deletion. No field
// has that name.
const heldDeletion = ""

// sides returns what the source had last and what the record has.
func (p *planner) sides(r *record.Record, link record.Link) (base, ours map[string]any, err error) {
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
func (p *planner) winner(m *mapping.Mapped, r *record.Record) record.Rule {
	switch p.rule {
	case StoreWins:
		return record.Store
	case Manual:
		return record.Manual
	case Newest:
		if !m.Time.After(r.UpdatedAt) {
			return record.Store
		}
	}
	return record.Source
}

// held are the fields that wait for a decision: those that did and still differ,
// and the new ones.
func (p *planner) held(before []string, conflicts []record.Conflict, merged, theirs map[string]any) []string {
	differs := make(map[string]bool)
	for _, d := range record.Diff(merged, theirs, p.fields) {
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

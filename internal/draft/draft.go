// Package draft holds shared drafts. A draft is a copy of a list of records of another
// system, the source: people edit it together, see which records changed at the source
// meanwhile, and save it back.
//
// Every field has three values: saved, on which the draft is based; incoming, the latest
// value of the source; and the draft's own. A field whose incoming value differs from
// both others is flagged, and a person must decide: accept the source's value, or keep
// the draft's. Nobody overwrites a change of the source unseen: a draft with flags cannot
// be saved, and a save fails if the source changed since it was last fetched.
package draft

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
)

// Row has the fields of a record.
type Row = map[string]any

// Rows are the rows of a list, by id.
type Rows = map[string]Row

// Draft has the three values of every field.
type Draft struct {
	Saved    Rows `json:"saved"`
	Incoming Rows `json:"incoming"`
	Draft    Rows `json:"draft"`
}

// The reasons for a flag.
const (
	Changed = "changed" // a field has another value at the source
	Added   = "added"   // a row is new at the source
	Deleted = "deleted" // a row, or a field, is gone at the source
)

// Flag is a difference that a person must decide about. Field is "" for a whole row.
type Flag struct {
	Row      string `json:"row"`
	Field    string `json:"field,omitempty"`
	Kind     string `json:"kind"`
	Saved    any    `json:"saved,omitempty"`
	Incoming any    `json:"incoming,omitempty"`
	Draft    any    `json:"draft,omitempty"`
}

// New returns a draft of the rows of a source, without edits.
func New(rows Rows) Draft { return Draft{clone(rows), clone(rows), clone(rows)} }

func clone(rows Rows) Rows {
	out := make(Rows, len(rows))
	for id, r := range rows {
		out[id] = maps.Clone(r)
	}
	return out
}

// Clone returns a copy that can be changed independently.
func (d Draft) Clone() Draft { return Draft{clone(d.Saved), clone(d.Incoming), clone(d.Draft)} }

// Decode decodes JSON and keeps numbers as json.Number, because a float64 cannot hold
// every number exactly.
func Decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

// SameRow reports whether two rows are equal as JSON: 1 equals 1.0.
func SameRow(a, b Row) bool { return maps.EqualFunc(a, b, record.Same) }

func sameRows(a, b Rows) bool { return maps.EqualFunc(a, b, SameRow) }

func sameDraft(a, b Draft) bool {
	return sameRows(a.Draft, b.Draft) && sameRows(a.Saved, b.Saved) && sameRows(a.Incoming, b.Incoming)
}

func names[V any](all ...map[string]V) []string {
	set := map[string]bool{}
	for _, m := range all {
		for n := range m {
			set[n] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Flags returns the differences that a person must decide about, sorted by row and
// field.
func (d Draft) Flags() []Flag {
	flags := []Flag{}
	for _, id := range names(d.Saved, d.Incoming, d.Draft) {
		saved, inSaved := d.Saved[id]
		incoming, inIncoming := d.Incoming[id]
		ours, inDraft := d.Draft[id]
		switch {
		case inSaved && !inIncoming:
			if inDraft {
				flags = append(flags, Flag{Row: id, Kind: Deleted, Saved: saved, Draft: ours})
			}
		case !inSaved && inIncoming && !inDraft:
			flags = append(flags, Flag{Row: id, Kind: Added, Incoming: incoming})
		case inIncoming && !inDraft: // removed here: flag it if the source changed it
			if !record.Same(saved, incoming) {
				flags = append(flags, Flag{Row: id, Kind: Changed, Saved: saved, Incoming: incoming})
			}
		case inIncoming:
			flags = append(flags, fieldFlags(id, saved, incoming, ours)...)
		}
	}
	return flags
}

func fieldFlags(id string, saved, incoming, ours Row) (flags []Flag) {
	for _, f := range names(saved, incoming, ours) {
		base, inSaved := saved[f]
		theirs, inIncoming := incoming[f]
		mine, inDraft := ours[f]
		if inIncoming == inSaved && record.Same(theirs, base) || inIncoming == inDraft && record.Same(theirs, mine) {
			continue
		}
		kind := Changed
		if !inIncoming {
			kind = Deleted
		}
		flags = append(flags, Flag{Row: id, Field: f, Kind: kind, Saved: base, Incoming: theirs, Draft: mine})
	}
	return flags
}

// Edited reports whether the draft differs from the source's latest rows, so that there
// is something to save.
func (d Draft) Edited() bool { return !sameRows(d.Draft, d.Incoming) }

// Fetch returns the draft with the source's latest rows as incoming. Where incoming
// equals the draft again, no decision is needed any more.
func (d Draft) Fetch(rows Rows) Draft {
	d = d.Clone()
	d.Incoming = clone(rows)
	return d
}

// Edit sets fields of rows. Nil fields remove a row, and a nil value removes a field. An
// edit of a removed row restores the saved row: a person who edits a field
// while another removes the row wants the whole row, and not that field alone.
func (d Draft) Edit(changes map[string]Row) Draft {
	d = d.Clone()
	for id, fields := range changes {
		if fields == nil {
			delete(d.Draft, id)
			continue
		}
		row := d.Draft[id]
		if row == nil {
			if row = maps.Clone(d.Saved[id]); row == nil {
				row = Row{}
			}
			d.Draft[id] = row
		}
		for f, v := range fields {
			if v == nil {
				delete(row, f)
			} else {
				row[f] = v
			}
		}
	}
	return d
}

// Accept takes the source's values for the flags of a field, of a row if field is "", or
// of the whole draft if row is "" too. Other fields keep the draft's values.
func (d Draft) Accept(row, field string) Draft {
	out := d.Clone()
	d.applyIncoming(row, field, out.Draft, out.Saved)
	return out
}

// Keep keeps the draft's values for the flags of a field, a row or the whole draft, like
// Accept. The source's changes then count as seen, and the next save overwrites them.
func (d Draft) Keep(row, field string) Draft {
	out := d.Clone()
	d.applyIncoming(row, field, out.Saved)
	return out
}

// applyIncoming copies the source's values of the chosen flags to each of the given rows.
func (d Draft) applyIncoming(row, field string, to ...Rows) {
	for _, f := range d.chosen(row, field) {
		theirs, there := d.Incoming[f.Row]
		for _, rows := range to {
			switch {
			case f.Field != "":
				set(rows, f.Row, f.Field, theirs)
			case there:
				rows[f.Row] = maps.Clone(theirs)
			default:
				delete(rows, f.Row)
			}
		}
	}
}

// chosen returns the flags of a field, of a row, or all of them.
func (d Draft) chosen(row, field string) (out []Flag) {
	for _, f := range d.Flags() {
		if (row == "" || f.Row == row) && (field == "" || f.Field == field) {
			out = append(out, f)
		}
	}
	return out
}

// set gives a row's field the value in from, or removes the field if from has none.
func set(rows Rows, id, field string, from Row) {
	row := rows[id]
	if row == nil {
		row = Row{}
		rows[id] = row
	}
	if v, ok := from[field]; ok {
		row[field] = v
	} else {
		delete(row, field)
	}
}

// Stored returns the draft after the source has accepted a save.
func (d Draft) Stored() Draft { return New(d.Draft) }

// Discard returns the draft without its edits: with the source's latest rows.
func (d Draft) Discard() Draft { return New(d.Incoming) }

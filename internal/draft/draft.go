// Package draft is the shared draft of a list of records that another system has:
// people edit it together, see what changed outside meanwhile, and save it back.
//
// Every field has three values: saved, which the draft is based on; incoming, which
// the source had last; and the draft's own. A field is flagged when incoming differs
// from saved and from the draft, which is when somebody has to decide: accept theirs,
// or keep ours. Nothing is overwritten unseen: a draft with flags cannot be saved,
// and a save is conditional on what was seen last.
package draft

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
)

// Row is a record's fields.
type Row = map[string]any

// Rows are a list's, by id.
type Rows = map[string]Row

// Draft is the three values of every field.
type Draft struct {
	Saved    Rows `json:"saved"`
	Incoming Rows `json:"incoming"`
	Draft    Rows `json:"draft"`
}

// Why something is flagged.
const (
	Changed = "changed" // a field has another value at the source
	Added   = "added"   // a row is new at the source
	Deleted = "deleted" // a row, or a field, is gone at the source
)

// Flag is a difference that somebody has to decide about. Field is "" for a row.
type Flag struct {
	Row      string `json:"row"`
	Field    string `json:"field,omitempty"`
	Kind     string `json:"kind"`
	Saved    any    `json:"saved,omitempty"`
	Incoming any    `json:"incoming,omitempty"`
	Draft    any    `json:"draft,omitempty"`
}

// New is the draft of what a source has.
func New(rows Rows) Draft { return Draft{clone(rows), clone(rows), clone(rows)} }

func clone(rows Rows) Rows {
	out := make(Rows, len(rows))
	for id, r := range rows {
		out[id] = maps.Clone(r)
	}
	return out
}

// Clone returns a copy that can be changed.
func (d Draft) Clone() Draft { return Draft{clone(d.Saved), clone(d.Incoming), clone(d.Draft)} }

// Decode reads JSON with its numbers as they are: a float64 does not have them all.
func Decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

// SameRow reports whether two rows are equal as JSON: 1 and 1.0 are one number.
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

// Flags are what somebody has to decide about, in order.
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
		case inIncoming && !inDraft: // we removed it; did they change it?
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
		b, inSaved := saved[f]
		theirs, inIncoming := incoming[f]
		mine, inDraft := ours[f]
		if inIncoming == inSaved && record.Same(theirs, b) || inIncoming == inDraft && record.Same(theirs, mine) {
			continue
		}
		kind := Changed
		if !inIncoming {
			kind = Deleted
		}
		flags = append(flags, Flag{Row: id, Field: f, Kind: kind, Saved: b, Incoming: theirs, Draft: mine})
	}
	return flags
}

// Edited is whether the draft has what the source has not, and nobody else put
// there: something to save.
func (d Draft) Edited() bool { return !sameRows(d.Draft, d.Incoming) }

// Fetch takes what the source has now. What nobody edited here and is alike again
// needs no decision.
func (d Draft) Fetch(rows Rows) Draft {
	d = d.Clone()
	d.Incoming = clone(rows)
	return d
}

// Edit sets fields of rows; nil fields of a row remove the row, and a nil value
// removes a field. A field of a row that was removed brings the row back as it was
// saved: who edits it while another removes it means the row, and not that field alone.
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

// Accept takes theirs: of a field, of a row where field is "", or of everything
// where row is "" too. What they did not change stays as we have it.
func (d Draft) Accept(row, field string) Draft {
	out := d.Clone()
	d.incoming(row, field, out.Draft, out.Saved)
	return out
}

// Keep keeps ours: what they changed is seen, and a save will overwrite it.
func (d Draft) Keep(row, field string) Draft {
	out := d.Clone()
	d.incoming(row, field, out.Saved)
	return out
}

// incoming gives what was chosen the values that they have.
func (d Draft) incoming(row, field string, to ...Rows) {
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

// chosen are the flags that a decision is about.
func (d Draft) chosen(row, field string) (out []Flag) {
	for _, f := range d.Flags() {
		if (row == "" || f.Row == row) && (field == "" || f.Field == field) {
			out = append(out, f)
		}
	}
	return out
}

// set gives a row's field the value that from has, or removes it.
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

// Stored is the draft after the source took it.
func (d Draft) Stored() Draft { return New(d.Draft) }

// Discard forgets what was edited here.
func (d Draft) Discard() Draft { return New(d.Incoming) }

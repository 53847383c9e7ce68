package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/record"
)

// A change that was sent to a source may have no answer. Until its outcome is known, the
// row can have what both sides last agreed on, or anything that was sent since. Each later
// change names the fields of the earlier ones as well, so a row never has a mixture of two
// of them.

// SentChange records the fields that one change set at the source.
type SentChange struct {
	Data    json.RawMessage   `json:"d,omitempty"` // the values of the fields that it set
	Digests map[string]string `json:"h,omitempty"` // digests instead of values that are long
	Removed []string          `json:"r,omitempty"` // fields that it removed
	Deleted bool              `json:"x,omitempty"` // it deleted the row
}

const (
	// maxSentRow is the most bytes of a row that are kept as they are. If a row has more,
	// digests stand for the values that are longer than longValue.
	maxSentRow = 4 << 10
	longValue  = 64
)

// NewSentChange returns a change that sets values and removes fields. values is the
// function's to change.
func NewSentChange(values map[string]any, removed []string) (*SentChange, error) {
	c := &SentChange{Removed: removed}
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

// Equal reports whether both changes set the same.
func (c *SentChange) Equal(o *SentChange) bool {
	return bytes.Equal(c.Data, o.Data) && maps.Equal(c.Digests, o.Digests) && slices.Equal(c.Removed, o.Removed) && c.Deleted == o.Deleted
}

// Over returns the base as it is if the change was written. It returns false if that is
// unknown: the change deleted the row, or only digests of its values are kept.
func (c *SentChange) Over(base map[string]any) (map[string]any, bool) {
	if c.Deleted || len(c.Digests) > 0 {
		return nil, false
	}
	out := maps.Clone(base)
	maps.Copy(out, c.values())
	for _, f := range c.Removed {
		delete(out, f)
	}
	return out, true
}

// says reports whether the change set the field to this value.
func (c *SentChange) says(field string, v any, has bool) bool {
	if !has {
		return slices.Contains(c.Removed, field)
	}
	text, err := record.Canonical(v)
	if err != nil {
		return false
	}
	if d, ok := c.Digests[field]; ok {
		return d == digestOfValue(text)
	}
	ours, ok := c.values()[field]
	if !ok {
		return false
	}
	mine, err := record.Canonical(ours)
	return err == nil && bytes.Equal(mine, text)
}

func (c *SentChange) values() map[string]any {
	if c.Data == nil {
		return nil
	}
	values, err := record.Decode(c.Data)
	if err != nil {
		return nil
	}
	return values
}

// shownBy reports whether the row has all that the change set.
func (c *SentChange) shownBy(row map[string]any) bool {
	return !c.Deleted && !slices.ContainsFunc(FieldsOf([]*SentChange{c}), func(f string) bool {
		v, has := row[f]
		return !c.says(f, v, has)
	})
}

// FieldsOf returns the fields that the changes set or removed.
func FieldsOf(changes []*SentChange) []string {
	var out []string
	for _, c := range changes {
		out = slices.Concat(out, slices.Collect(maps.Keys(c.values())), slices.Collect(maps.Keys(c.Digests)), c.Removed)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Deletes reports whether one of the changes deleted the row.
func Deletes(changes []*SentChange) bool {
	return slices.ContainsFunc(changes, func(c *SentChange) bool { return c.Deleted })
}

// creates reports whether the changes, of a record without a link, have a creation.
func creates(changes []*SentChange) bool {
	return slices.ContainsFunc(changes, func(c *SentChange) bool { return !c.Deleted })
}

// agreed returns the base with those fields in which the row has what we sent: the source
// did not change them. It also returns the changes whose outcome the row shows. A row that
// has not changed shows nothing, because a request can still be on its way.
func agreed(base, theirs map[string]any, sent []*SentChange, fields []string) (map[string]any, []*SentChange) {
	out := maps.Clone(base)
	if out == nil {
		out = make(map[string]any)
	}
	set, shows := FieldsOf(sent), false
	for _, d := range record.Diff(base, theirs, fields) {
		shows = shows || slices.Contains(set, d.Field)
		if !slices.ContainsFunc(sent, func(c *SentChange) bool { return c.says(d.Field, d.New, d.Has) }) {
			continue
		}
		if d.Has {
			out[d.Field] = d.New
		} else {
			delete(out, d.Field)
		}
	}
	if !shows {
		return out, nil
	}
	for i, c := range slices.Backward(sent) {
		if c.shownBy(theirs) {
			return out, sent[:i+1]
		}
	}
	return out, sent
}

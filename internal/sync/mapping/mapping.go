// Package mapping turns a source's rows into records, and records back into rows, by the
// rules of a sync's definition.
//
// A mapping is compiled once and then applied to one row after the other. A row that
// breaks a rule becomes a reject that names the field and the rule. No row can make the
// mapping fail in another way, so one bad row never stops a run.
package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/source"
)

// Type is the mapping of a datatype as people write it in a definition.
type Type struct {
	// Key names the columns that identify a row. The default comes from the data source
	// or the datatype; otherwise it is id.
	Key    []string         `json:"key,omitempty"`
	Cursor *Cursor          `json:"cursor,omitempty"`
	Delete *Delete          `json:"delete,omitempty"`
	Fields map[string]Field `json:"fields,omitempty"` // empty: all columns under their own names
	// ExternalIDs maps the names of ids that are kept beside the data to their columns.
	ExternalIDs map[string]string `json:"externalIds,omitempty"`
	// References maps fields to the datatypes of the records that they name by id. A row
	// that names a record which does not exist is rejected.
	References map[string]string `json:"references,omitempty"`
}

// Cursor describes how to find the rows that changed since the last run.
type Cursor struct {
	Time    string `json:"time"`              // column with the time of a row's last change
	Overlap string `json:"overlap,omitempty"` // time that is read again for rows committed late; default 5m
	Zone    string `json:"zone,omitempty"`    // zone of the column's times that name none; default the source's own, else UTC
	Margin  string `json:"margin,omitempty"`  // distance of the cursor to the source's clock; default 10s
}

// Delete describes how to find the rows that were deleted.
type Delete struct {
	Field  string `json:"field,omitempty"` // column that marks a deleted row
	Equals any    `json:"equals,omitempty"`
	// Missing treats every record whose row is missing from a full pull as deleted.
	Missing bool `json:"missing,omitempty"`
}

// Field describes where a field of a record comes from. Exactly one of From, Const and
// CEL is set.
type Field struct {
	From     string          `json:"from,omitempty"`
	Const    json.RawMessage `json:"const,omitempty"`
	CEL      string          `json:"cel,omitempty"`
	Type     string          `json:"type,omitempty"` // string, number, integer, bool, time, json; "": not converted
	Required bool            `json:"required,omitempty"`
	Format   string          `json:"format,omitempty"` // how a time is written: Go's layout, rfc3339, date, unix, unixms
	// Formats are tried in order where a time does not have Format, for a source that writes
	// one column in several. A push writes Format.
	Formats []string `json:"formats,omitempty"`
	Zone    string   `json:"zone,omitempty"` // zone of times that name none; default UTC
	// Decimal is the sign before the fraction of numbers that are texts: a comma or a point.
	// With it, groups of three digits may be separated. Without it, they may not.
	Decimal string `json:"decimal,omitempty"`
}

const (
	defaultOverlap = 5 * time.Minute
	defaultMargin  = 10 * time.Second
	maxKey         = 1_000
	maxData        = 900 << 10
)

// Mapped is the record that Map made of a row.
type Mapped struct {
	Key         string // the row's key as text; the id of a new record
	Data        []byte // a canonical JSON object
	Deleted     bool
	Time        time.Time // the row's last change; zero if the source does not tell it
	ExternalIDs map[string]string
}

// Mapper applies a mapping. Only one goroutine at a time may use it.
type Mapper struct {
	datatype string
	def      Type
	spec     source.Spec
	fields   []compiled // sorted by name; nil: all columns
	names    []string   // the fields' names

	// bind sets the following for the current columns:
	columns   *source.Columns
	keyAt     []int
	changed   compiled // the cursor's column or path
	deletedAt int
	identity  []compiled

	slab []byte
	mark forms // of the column that marks deleted rows

	ownZone *time.Location // the source's own zone; nil: it has none
	cursors Cursors
}

// Cursors counts the rows that were mapped, by what they have in the cursor's column.
type Cursors struct {
	Rows    int    // that have a key
	Empty   int    // without a value
	Unread  int    // with a value that is no time
	Example string // such a value
}

// compiled is a compiled Field.
type compiled struct {
	Field
	name     string
	member   []byte // "name":
	bad      error  // why the name cannot be a field's
	constant []byte
	at       int // index of the column; -1: the rows have no such column
	path     []string
	zone     *time.Location
	eval     func(source.Row) (any, error)
	seen     forms
	found    bool // some row had the column
}

// New compiles a mapping; t may be nil. defaults is the data source's own Spec of the
// datatype, which the mapping overrides.
func New(datatype string, t *Type, defaults source.Spec) (*Mapper, []fault.Detail) {
	m := &Mapper{datatype: datatype, spec: defaults}
	if t != nil {
		m.def = *t
	}
	m.spec.Datatype = datatype
	c := &checker{}
	m.compileSpec(c)
	for _, name := range slices.Sorted(maps.Keys(m.def.Fields)) {
		f := compileField(c, "fields."+name, name, m.def.Fields[name])
		m.fields = append(m.fields, f)
		m.names = append(m.names, name)
		if f.From != "" && !slices.Contains(m.spec.Key, f.From) {
			m.spec.Mapped = append(m.spec.Mapped, f.From)
		}
	}
	m.compileTimes()
	for _, name := range slices.Sorted(maps.Keys(m.def.ExternalIDs)) {
		if name == "" || m.def.ExternalIDs[name] == "" {
			c.add("externalIds."+name, "must name a column")
		}
	}
	for _, field := range slices.Sorted(maps.Keys(m.def.References)) {
		if field == "" || m.def.References[field] == "" {
			c.add("references."+field, "must name a datatype")
		}
	}
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return m, nil
}

// References returns the datatypes of the records that fields name, by field.
func (m *Mapper) References() map[string]string { return m.def.References }

// Refers returns the datatypes of the records that fields name, by field: those of the
// definition, and those that the source knows of its columns.
func (m *Mapper) Refers() map[string]string {
	if len(m.spec.Refers) == 0 {
		return m.def.References
	}
	out := maps.Clone(m.def.References)
	if out == nil {
		out = make(map[string]string, len(m.spec.Refers))
	}
	for column, datatype := range m.spec.Refers {
		if m.fields == nil {
			out[column] = datatype
		}
		for i := range m.fields {
			if f := &m.fields[i]; f.From == column {
				out[f.name] = datatype
			}
		}
	}
	return out
}

type checker struct{ faults []fault.Detail }

func (c *checker) add(path, format string, args ...any) {
	c.faults = append(c.faults, fault.Detail{Path: path, Message: fmt.Sprintf(format, args...)})
}

// compileSpec fills in the Spec that the source needs.
func (m *Mapper) compileSpec(c *checker) {
	s := &m.spec
	if len(m.def.Key) > 0 {
		s.Key = m.def.Key
	}
	switch {
	case len(s.Key) > 0:
	case m.datatype == "reading": // OurWater's identity: resource, timeseries, instant
		s.Key = []string{"resourceId", "timeseries", "datetime"}
	default:
		s.Key = []string{"id"}
	}
	for i, k := range s.Key {
		if k == "" {
			c.add(fmt.Sprintf("key[%d]", i), "must name a column")
		} else if slices.Contains(s.Key[:i], k) {
			c.add(fmt.Sprintf("key[%d]", i), "%q is there twice", k)
		}
	}
	if cur := m.def.Cursor; cur != nil {
		s.CursorTime = cur.Time
		if cur.Time == "" {
			c.add("cursor.time", "is required: the column that holds when a row last changed")
		}
		s.CursorZone = c.zone("cursor.zone", cur.Zone)
		s.Overlap = c.duration("cursor.overlap", cur.Overlap, defaultOverlap)
		s.Margin = c.duration("cursor.margin", cur.Margin, defaultMargin)
	} else if s.CursorTime != "" {
		if s.Overlap == 0 {
			s.Overlap = defaultOverlap
		}
		if s.Margin == 0 {
			s.Margin = defaultMargin
		}
	}
	if d := m.def.Delete; d != nil {
		s.Deleted, s.DeletedEquals = d.Field, d.Equals
		switch {
		case d.Field == "" && !d.Missing:
			c.add("delete", "must have field and equals, or missing")
		case d.Field != "" && d.Missing:
			c.add("delete.missing", "cannot be used together with field")
		case d.Field != "" && d.Equals == nil:
			s.DeletedEquals = true
		case d.Missing && s.CursorTime != "":
			c.add("delete.missing", "cannot be used with a cursor: a pull from a cursor does not return all rows")
		}
	}
}

func (c *checker) duration(path, s string, none time.Duration) time.Duration {
	if s == "" {
		return none
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 30*24*time.Hour {
		c.add(path, "must be a duration from 0s to 720h, such as 5m, not %q", s)
	}
	return d
}

// zone returns nil for no name.
func (c *checker) zone(path, name string) *time.Location {
	if name == "" {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		c.add(path, "%q is not the name of a time zone, such as Asia/Kolkata", name)
	}
	return zone
}

// format checks how times are written. A layout that takes no year from a text is that of
// another tool, such as DD.MM.YYYY: no text would ever have it.
func (c *checker) format(path, layout string) {
	if layout == "" || slices.Contains(namedFormats, layout) {
		return
	}
	// Two years with the same weekdays, so that nothing but the year is different.
	first, second := time.Date(1981, 2, 3, 4, 5, 6, 7, time.UTC), time.Date(1987, 2, 3, 4, 5, 6, 7, time.UTC)
	if first.Format(layout) == second.Format(layout) {
		c.add(path, "no part of %q is read as a year: write how 2 January 2006 15:04:05 looks in the column, such as 02.01.2006 15:04, or one of %s", layout, strings.Join(namedFormats, ", "))
	}
}

// compileTimes tells the source what the fields say about the columns that hold times.
func (m *Mapper) compileTimes() {
	for i := range m.fields {
		f := &m.fields[i]
		if f.Type != "time" || f.From == "" || f.Zone == "" {
			continue
		}
		if m.spec.Zones == nil {
			m.spec.Zones = map[string]*time.Location{}
		}
		m.spec.Zones[f.From] = f.zone
		if f.From == m.spec.CursorTime && m.spec.CursorZone == nil {
			m.spec.CursorZone = f.zone
		}
	}
	if m.spec.CursorTime != "" {
		m.changed = compiled{Field: Field{From: m.spec.CursorTime}}
		m.spec.ReadTime = m.readCursor
	}
}

var typeNames = []string{"", "string", "number", "integer", "bool", "time", "json"}

func compileField(c *checker, path, name string, def Field) compiled {
	if string(def.Const) == "null" {
		def.Const = nil // encoding/json keeps the text null, but it is no constant
	}
	f := compiled{Field: def, name: name, at: -1, zone: time.UTC}
	member, err := record.AppendString(nil, name)
	if err != nil || name == "" {
		c.add(path, "must have a name of UTF-8 text")
	}
	f.member = append(member, ':')
	given := 0
	for _, there := range []bool{def.From != "", def.Const != nil, def.CEL != ""} {
		if there {
			given++
		}
	}
	if given != 1 {
		c.add(path, "must have one of from, const and cel")
	}
	if !slices.Contains(typeNames, def.Type) {
		c.add(path+".type", "%q is none of %s", def.Type, strings.Join(typeNames[1:], ", "))
	}
	if def.Type != "time" && (def.Format != "" || def.Zone != "" || len(def.Formats) > 0) {
		c.add(path+".format", "can only be used with the type time")
	}
	c.format(path+".format", def.Format)
	for i, f := range def.Formats {
		c.format(fmt.Sprintf("%s.formats[%d]", path, i), f)
	}
	if def.Decimal != "" && (separators[def.Decimal] == "" || def.Type != "number" && def.Type != "integer") {
		c.add(path+".decimal", "must be a comma or a point, of a field of the type number or integer")
	}
	if zone := c.zone(path+".zone", def.Zone); zone != nil {
		f.zone = zone
	}
	if def.Const != nil {
		if f.constant, err = record.Canonical(def.Const); err != nil {
			c.add(path+".const", "%s", err)
		}
	}
	if def.CEL != "" {
		if f.eval, err = compileCEL(def.CEL); err != nil {
			c.add(path+".cel", "%s", err)
		}
	}
	return f
}

// Spec returns what the source needs to know about the mapping.
func (m *Mapper) Spec() source.Spec { return m.spec }

// PushSpec returns the Spec for a push: it compares values as the mapping reads them, and
// marks deleted rows as the source does.
func (m *Mapper) PushSpec() source.Spec {
	s := m.spec
	s.Same = m.Same
	s.IsMark = func(v any) bool { return lenientlyEqual(v, m.spec.DeletedEquals) }
	if mark, ok := s.DeletedEquals.(bool); ok {
		s.DeletedEquals, s.Live = m.mark.spellBool(mark), m.mark.spellBool(!mark)
	}
	return s
}

// Fields returns the names of the fields that the mapping sets, sorted; nil: all.
func (m *Mapper) Fields() []string { return m.names }

// InZone tells the mapper the source's own zone, in which the cursor's times are unless the
// definition names another.
func (m *Mapper) InZone(own *time.Location) { m.ownZone = own }

// Found returns the columns that fields read, and that some row had, sorted.
func (m *Mapper) Found() (columns []string) {
	for i := range m.fields {
		if m.fields[i].found {
			columns = append(columns, m.fields[i].From)
		}
	}
	slices.Sort(columns)
	return slices.Compact(columns)
}

// Cursors returns what the rows so far have in the cursor's column.
func (m *Mapper) Cursors() Cursors { return m.cursors }

// DeleteMissing reports whether a record is deleted if a full pull does not return its row.
func (m *Mapper) DeleteMissing() bool { return m.def.Delete != nil && m.def.Delete.Missing }

// Package mapping turns a source's rows into records and records back into rows,
// as a sync's definition says.
//
// A mapping is compiled once and then applied row by row. A row that breaks a
// rule is a reject that names the field and the rule; nothing in a row can make
// mapping fail otherwise.
package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/source"
)

// Type is the mapping of a datatype: what people write.
type Type struct {
	// Key names the columns that identify a row. Default: id, or what the data
	// source or the datatype knows.
	Key    []string         `json:"key,omitempty"`
	Cursor *Cursor          `json:"cursor,omitempty"`
	Delete *Delete          `json:"delete,omitempty"`
	Fields map[string]Field `json:"fields,omitempty"` // none: all columns, under their names
	// ExternalIDs are kept beside the data: name → column.
	ExternalIDs map[string]string `json:"externalIds,omitempty"`
}

// Cursor says how the source tells what changed.
type Cursor struct {
	Time    string `json:"time"`              // column of a row's last change
	Overlap string `json:"overlap,omitempty"` // re-read for rows committed late; default 5m
	Margin  string `json:"margin,omitempty"`  // how far the cursor stays behind the source's clock; default 10s
}

// Delete says how the source tells what is gone.
type Delete struct {
	Field  string `json:"field,omitempty"` // column that marks a deleted row
	Equals any    `json:"equals,omitempty"`
	// Missing: what a pull of everything does not bring is gone.
	Missing bool `json:"missing,omitempty"`
}

// Field says where a record's field comes from: one of From, Const and CEL.
type Field struct {
	From     string          `json:"from,omitempty"`
	Const    json.RawMessage `json:"const,omitempty"`
	CEL      string          `json:"cel,omitempty"`
	Type     string          `json:"type,omitempty"` // string, number, integer, bool, time, json; "": as it comes
	Required bool            `json:"required,omitempty"`
	Format   string          `json:"format,omitempty"` // of a time: Go's layout, rfc3339, date, unix, unixms
	Zone     string          `json:"zone,omitempty"`   // of a time without one; default UTC
}

const (
	defaultOverlap = 5 * time.Minute
	defaultMargin  = 10 * time.Second
	maxKey         = 1_000
	maxData        = 900 << 10
)

// Mapped is a row as a record.
type Mapped struct {
	Key         string // of the row, as text; the id of a new record
	Data        []byte // canonical JSON object
	Deleted     bool
	Time        time.Time // when the row last changed; zero if the source does not say
	ExternalIDs map[string]string
}

// Mapper applies a mapping. One goroutine at a time may use it.
type Mapper struct {
	datatype string
	def      Type
	spec     source.Spec
	fields   []field  // by name; nil: all columns
	names    []string // of fields

	// For the columns of the rows at hand:
	columns   *source.Columns
	keyAt     []int
	timeAt    int
	deletedAt int
	identity  []field

	slab []byte
}

// field is a compiled Field.
type field struct {
	Field
	name     string
	member   []byte // "name":
	constant []byte
	at       int // column; -1: none, or a path into one
	path     []string
	zone     *time.Location
	eval     func(source.Row) (any, error)
}

// New compiles a mapping; t may be nil. defaults are what the data source knows
// of the datatype.
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
	}
	for _, name := range slices.Sorted(maps.Keys(m.def.ExternalIDs)) {
		if name == "" || m.def.ExternalIDs[name] == "" {
			c.add("externalIds."+name, "must name a column")
		}
	}
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return m, nil
}

type checker struct{ faults []fault.Detail }

func (c *checker) add(path, format string, args ...any) {
	c.faults = append(c.faults, fault.Detail{Path: path, Message: fmt.Sprintf(format, args...)})
}

// compileSpec works out what the source has to know.
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
			c.add("delete.missing", "goes without field")
		case d.Field != "" && d.Equals == nil:
			s.DeletedEquals = true
		case d.Missing && s.CursorTime != "":
			c.add("delete.missing", "cannot be with a cursor: a pull then does not bring everything")
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

var typeNames = []string{"", "string", "number", "integer", "bool", "time", "json"}

func compileField(c *checker, path, name string, def Field) field {
	if string(def.Const) == "null" {
		def.Const = nil // as if it were not there
	}
	f := field{Field: def, name: name, at: -1, zone: time.UTC}
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
	if def.Type != "time" && (def.Format != "" || def.Zone != "") {
		c.add(path+".format", "goes with type time only")
	}
	if def.Zone != "" {
		if f.zone, err = time.LoadLocation(def.Zone); err != nil || def.Zone == "Local" {
			c.add(path+".zone", "%q is not the name of a time zone, such as Asia/Kolkata", def.Zone)
		}
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

// Spec is what the source has to know.
func (m *Mapper) Spec() source.Spec { return m.spec }

// Fields returns the fields that the mapping sets, sorted; nil: all.
func (m *Mapper) Fields() []string { return m.names }

// DeleteMissing is whether a row that a whole pull does not bring is gone.
func (m *Mapper) DeleteMissing() bool { return m.def.Delete != nil && m.def.Delete.Missing }

// JoinKey makes one text of a key's parts: the part itself if it is the only
// one; several are joined by ".", with "." and "%" of a part percent-encoded.
func JoinKey(parts []any) (string, error) {
	texts := make([]string, len(parts))
	for i, p := range parts {
		t, err := keyText(p)
		if err != nil {
			return "", err
		}
		texts[i] = t
	}
	return joinKey(texts)
}

func joinKey(parts []string) (string, error) {
	key := parts[0]
	if len(parts) > 1 {
		var b strings.Builder
		for i, p := range parts {
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(escapePart.Replace(p))
		}
		key = b.String()
	}
	if len(key) > maxKey {
		return "", fmt.Errorf("is longer than %d bytes", maxKey)
	}
	return key, nil
}

var escapePart = strings.NewReplacer("%", "%25", ".", "%2E")

var errEmptyKey = errors.New("is empty")

func keyText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", errEmptyKey
	case string:
		if v == "" {
			return "", errEmptyKey
		}
		return v, nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	case map[string]any, []any:
		return "", errors.New("is neither text nor a number")
	default:
		b, err := record.Canonical(v)
		return string(b), err
	}
}

// Unkey splits a key's text into its parts.
func (m *Mapper) Unkey(key string) []any {
	if len(m.spec.Key) == 1 {
		return []any{key}
	}
	texts := strings.Split(key, ".")
	parts := make([]any, len(texts))
	for i, t := range texts {
		p, err := url.PathUnescape(t)
		if err != nil {
			p = t
		}
		parts[i] = p
	}
	return parts
}

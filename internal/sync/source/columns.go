package source

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
)

// Columns holds the names of a row's values. Rows with the same columns share one
// Columns, so that callers can recognise them by the pointer.
type Columns struct {
	names []string
	index map[string]int
}

// NewColumns returns the columns with the names, which must be distinct.
func NewColumns(names []string) *Columns {
	c := &Columns{names: names, index: make(map[string]int, len(names))}
	for i, n := range names {
		c.index[n] = i
	}
	return c
}

// Names returns the names in order. The caller must not change the slice.
func (c *Columns) Names() []string { return c.names }

// Index returns the position of the name, or -1.
func (c *Columns) Index(name string) int {
	if i, ok := c.index[name]; ok {
		return i
	}
	return -1
}

// CheckColumns returns a fault if columns, which are all that a file or a table has, hold
// none that the mapping reads beside the key, or lack one that an earlier pull has read. Then
// the file or the table is another one than the mapping is for, a column was renamed, or it
// was read in a wrong way. A pull would empty the fields of every record.
func (s Spec) CheckColumns(columns []string) error {
	lacking := s.Lacking(columns)
	for _, name := range s.Known {
		if slices.Contains(lacking, name) {
			return fault.New(fault.Invalid, "the column %q, which the mapping of %s reads, is gone, and a pull would empty its field in every record: the source has %q. "+
				"If the column was renamed, or is gone for good, change the mapping", name, s.Datatype, columns)
		}
	}
	if len(lacking) == 0 || len(lacking) < len(s.Mapped) {
		return nil
	}
	return fault.New(fault.Invalid, "there is none of the columns that the mapping of %s reads: they are %q, and the source has %q", s.Datatype, s.Mapped, columns)
}

// Lacking returns the mapped columns that are not among the columns of the source.
func (s Spec) Lacking(columns []string) []string {
	var lacking []string
	for _, name := range s.Mapped {
		first, _, _ := strings.Cut(name, ".")
		if !slices.Contains(columns, name) && !slices.Contains(columns, first) {
			lacking = append(lacking, name)
		}
	}
	return lacking
}

// Headed is implemented by readers of a source whose rows all have the same columns, which
// are known before the first row.
type Headed interface {
	// Headings returns the names of the columns.
	Headings() []string
}

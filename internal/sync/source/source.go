// Package source is the contract that a data source keeps: the system outside
// that a sync pulls rows from and pushes records to. There is one package per
// kind of source; it knows one technology and decides nothing about records,
// conflicts or what has been applied already.
//
// What every source promises:
//
//   - Gap-free: every row that was at the source when a pull began, and stays,
//     is in one of the pull's pages, whatever the order, equal timestamps, page
//     ends and concurrent writes. A row may come twice; the caller drops it.
//   - Resumable: a pull continued from a page's Resume by another process
//     returns at least every row after that page.
//   - A row that cannot be read is a Reject of its page, never an error.
//   - An error of a method means that the call did not succeed, as a whole or in
//     part; repeating it is safe. A *fault.Error in it carries the message for
//     people. No error text holds a credential.
//   - Every call ends when its ctx does, and has time-outs of its own.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// Row is one record as the source has it. Values are nil, bool, int64,
// float64, string, time.Time (UTC), json.Number, []any or map[string]any.
// Values[i] belongs to Columns.Names()[i].
type Row struct {
	Columns *Columns
	Values  []any
	Line    int64 // of a file, from 1; 0 if the source has none
}

// Get returns the value of the column, and whether the row has it.
func (r Row) Get(name string) (any, bool) {
	i := r.Columns.Index(name)
	if i < 0 || i >= len(r.Values) {
		return nil, false
	}
	return r.Values[i], true
}

// Map returns the row as a map, for people and for CEL.
func (r Row) Map() map[string]any {
	m := make(map[string]any, len(r.Values))
	for i, n := range r.Columns.names {
		if i < len(r.Values) {
			m[n] = r.Values[i]
		}
	}
	return m
}

// Columns are the names of a row's values, shared by all rows that have the same.
type Columns struct {
	names []string
	index map[string]int
}

// NewColumns returns the columns of those names, which are distinct.
func NewColumns(names []string) *Columns {
	c := &Columns{names: names, index: make(map[string]int, len(names))}
	for i, n := range names {
		c.index[n] = i
	}
	return c
}

// Names returns the names in order. The caller does not change them.
func (c *Columns) Names() []string { return c.names }

// Index returns the position of the name, or -1.
func (c *Columns) Index(name string) int {
	if i, ok := c.index[name]; ok {
		return i
	}
	return -1
}

// RowOf returns a row of the values, by column.
func RowOf(values map[string]any) Row {
	names := slices.Sorted(maps.Keys(values))
	row := Row{Columns: NewColumns(names), Values: make([]any, len(names))}
	for i, n := range names {
		row.Values[i] = values[n]
	}
	return row
}

// Reject is a row that was refused.
type Reject struct {
	Line   int64  `json:"line,omitempty"` // of a file, from 1
	Key    string `json:"key,omitempty"`  // at the source, if it is known
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`        // the rule that was broken, for people
	Raw    any    `json:"raw,omitempty"` // the row as it came: a string or a JSON value
}

// Cursor is where the next pull of a datatype begins: after what was changed
// at Time and has ID. The zero Cursor is the beginning.
type Cursor struct {
	Time time.Time `json:"time,omitzero"`
	ID   string    `json:"id,omitempty"`
}

// Spec is what a source has to know of a datatype's mapping.
type Spec struct {
	Datatype string
	Key      []string // columns that identify a row; never empty
	// CursorTime is the column that holds when a row last changed; "" if there
	// is none, and then every pull reads everything.
	CursorTime string
	// Overlap is re-read before the cursor, for rows that were committed late.
	Overlap time.Duration
	// Margin: a cursor is never later than the source's clock less this.
	Margin time.Duration
	// Deleted is the column that marks a soft-deleted row, and the value that
	// it then has. "" if there is none.
	Deleted       string
	DeletedEquals any
}

// PageBytes is the most that the values of a page's rows have, about: it bounds
// what a pull holds in memory. A run has three pages in hand, each as rows, as
// records and as documents, so that a byte of a page takes sixteen of memory.
const PageBytes = 2 << 20

// Pull asks for a datatype's rows.
type Pull struct {
	Spec
	Cursor Cursor // where the last finished run ended
	// Resume is that of the last page of this run that was applied; nil: none was.
	Resume   json.RawMessage
	PageSize int // rows, about; > 0. Of rows that are large fewer come: see PageBytes
}

// Page is a part of a pull.
type Page struct {
	Rows    []Row
	Rejects []Reject
	// Resume continues the pull after this page. Not empty.
	Resume json.RawMessage
	// Cursor is where the next run may begin if this page turns out to be the
	// last: the latest (time, id) read so far, at most the source's clock less
	// the margin, and never before the cursor that the pull began with.
	Cursor Cursor
	// Done and Total measure progress in whatever unit the source has (rows,
	// bytes). Total is 0 while it is unknown.
	Done, Total int64
}

// Reader returns the pages of a pull.
type Reader interface {
	// Next returns the next page, which may have no rows, or io.EOF. The rows
	// are the caller's until it calls Next again.
	Next(ctx context.Context) (Page, error)
	Close() error
}

// Op is what a push does to a row.
type Op string

// The operations.
const (
	Create Op = "create"
	Update Op = "update"
	Delete Op = "delete"
)

// Change is one record to push.
type Change struct {
	Op  Op
	ID  string // of the record in the store
	Key []any  // of the row, in the order of Spec.Key; nil for a Create only, by a KeyChooser
	// Fields are the row's values by column: all that the mapping knows for
	// Create and Update, none for Delete.
	Fields map[string]any
	// Changed names the fields that an Update changes; others keep what the source has.
	Changed []string
	// Expect has the values that both sides last agreed on, for the changed
	// fields of an Update and all of a Delete. A source that can, refuses with
	// ErrMoved if the row has others by now.
	Expect      map[string]any
	ExternalIDs map[string]string
	// Attempt is the same whenever this change is sent, and no other's: an
	// idempotency key.
	Attempt string
}

// ErrMoved says that the row changed at the source since both sides last
// agreed. Nothing was written; the next pull brings what is there.
var ErrMoved = errors.New("source: the row changed at the source")

// ErrReadOnly says that the source takes no pushes.
var ErrReadOnly = errors.New("source: cannot be pushed to")

// Result answers one Change.
type Result struct {
	// Key of the row, in the order of Spec.Key, where the source chose it.
	Key []any
	// ExternalIDs are to be kept with the record.
	ExternalIDs map[string]string
	// Err: this change was refused for good (ErrMoved, or a *fault.Error whose
	// message says why); others of the batch are not affected.
	Err error
}

// Source is one data source, open.
type Source interface {
	// Pull begins to read a datatype's rows.
	Pull(ctx context.Context, p Pull) (Reader, error)

	// Push writes the changes and returns a result for each, in their order.
	// Pushing the same changes again is harmless. After an error some of the
	// changes may be written. fence.Allow(ctx) is asked right before each write, and
	// an error of it ends the push: another process may have taken over. Env.HTTP does
	// so by itself.
	Push(ctx context.Context, spec Spec, changes []Change) ([]Result, error)

	// PushSize is how many changes a call of Push takes at most.
	PushSize() int

	// Close releases everything.
	Close() error
}

// KeyChooser is implemented by sources that give new rows their keys themselves.
type KeyChooser interface {
	// ChoosesKeys tells whether a new row of the datatype needs no key.
	ChoosesKeys(datatype string) bool
}

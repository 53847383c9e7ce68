// Package source defines the contract of a data source: an external system that a sync
// pulls rows from and pushes records to. Each kind of source has a package of its own.
// That package knows one technology. It decides nothing about records, conflicts or
// which rows were applied before.
//
// Every source promises:
//
//   - Gap-free: a row that exists from the beginning of a pull to its end is in one of
//     the pull's pages. Sort order, equal timestamps, page ends and concurrent writes do
//     not change that. A row may occur twice; the caller drops the second one.
//   - Resumable: another process can continue a pull from a page's Resume. It then gets
//     at least every row after that page.
//   - A row that cannot be read is a Reject of its page, never an error.
//   - An error means that the call failed, as a whole or in part. Repeating the call is
//     safe, also that of a Reader, which then reads the same page. If the source asks
//     for a pause, the error has a RetryAfter. A *fault.Error in it carries the message for people. No error text holds a
//     credential.
//   - Every call ends when its context ends, and has time-outs of its own.
package source

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Row is one row of the source. Values are nil, bool, int64, float64, string, time.Time
// (in UTC or Zoneless), json.Number, []any or map[string]any. Values[i] belongs to Columns.Names()[i].
type Row struct {
	Columns *Columns
	Values  []any
	Line    int64 // line in a file, from 1; 0 if the source is no file
}

// Get returns the value of the column and reports whether the row has that column.
func (r Row) Get(name string) (any, bool) {
	i := r.Columns.Index(name)
	if i < 0 || i >= len(r.Values) {
		return nil, false
	}
	return r.Values[i], true
}

// Find returns the value of a column, or of a path into one such as "meta.updatedAt". It
// returns nil if the row has no such value.
func (r Row) Find(path string) any {
	if v, ok := r.Get(path); ok {
		return v
	}
	first, rest, ok := strings.Cut(path, ".")
	v, _ := r.Get(first)
	for ok && v != nil {
		object, isObject := v.(map[string]any)
		if !isObject {
			return nil
		}
		if inner, found := object[rest]; found {
			return inner
		}
		first, rest, ok = strings.Cut(rest, ".")
		v = object[first]
	}
	if rest != "" {
		return nil
	}
	return v
}

// Map returns the row as a map from column to value, for messages and for CEL.
func (r Row) Map() map[string]any {
	m := make(map[string]any, len(r.Values))
	for i, n := range r.Columns.names {
		if i < len(r.Values) {
			m[n] = r.Values[i]
		}
	}
	return m
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

// Reject describes a row that was refused.
type Reject struct {
	Line   int64  `json:"line,omitempty"` // line in a file, from 1
	Key    string `json:"key,omitempty"`  // the row's key at the source, if known
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`        // the broken rule, for people
	Raw    any    `json:"raw,omitempty"` // the unchanged row: a string or a JSON value
}

// Cursor marks how far the finished runs of a datatype have read. The next pull begins
// after the row that changed at Time and has ID. The zero Cursor is the beginning.
type Cursor struct {
	Time time.Time `json:"time,omitzero"`
	ID   string    `json:"id,omitempty"`
}

// Spec tells a source what it needs to know about a datatype's mapping.
type Spec struct {
	Datatype string
	Key      []string // columns that identify a row; never empty
	// Columns are the columns that a push writes besides the key; nil: all. The source
	// does not have the others, so they stay in the store and no pull removes them.
	Columns []string
	// CursorTime is the column with the time of a row's last change; "": there is none,
	// and every pull reads all rows.
	CursorTime string
	// CursorZone is the zone of the times in CursorTime that name none; nil: the source's
	// own zone, or UTC if it has none.
	CursorZone *time.Location
	// ReadTime reads a value of CursorTime; nil: Instant in CursorZone.
	ReadTime func(v any) (time.Time, bool)
	// Zones has, by column, the zone in which a record's time is written to a column
	// without zones. Any other column gets it in UTC.
	Zones map[string]*time.Location
	// Overlap is the time before the cursor that a pull reads again. A row gets its
	// time when it is written and appears when its transaction commits. By then the
	// cursor may have passed that time, and without an overlap the row would be lost.
	Overlap time.Duration
	// Margin keeps the cursor behind the source's clock: the cursor is at most the
	// clock less Margin. A row in the future must not carry the cursor past the rows
	// that are still to come.
	Margin time.Duration
	// Deleted is the column that marks a soft-deleted row; "": there is none. A row is
	// deleted if the column has the value DeletedEquals.
	Deleted       string
	DeletedEquals any
	// Mapped lists the columns other than the key's that the mapping reads; empty: all
	// columns. "a.b" is a column of that name, or a path into the column a.
	Mapped []string
	// Known lists the columns of Mapped that an earlier pull has read.
	Known []string
	// Refers has, by column, the datatype of the rows whose keys the column holds.
	Refers map[string]string
	// Live is the value of Deleted in a row that is not deleted.
	Live any
	// Same reports whether two values of a column mean the same to the mapping, such as
	// "yes" and true. A push compares with it where the values differ as they are: a row
	// in another spelling did not change. nil: no other spelling is known.
	Same func(column string, a, b any) bool
	// IsMark reports whether a value of the column Deleted marks a deleted row; nil: no
	// value does.
	IsMark func(v any) bool
}

// TimeOf returns the time of a row's last change. It reports false if the row has none that
// can be read.
func (s Spec) TimeOf(row Row) (time.Time, bool) {
	v := row.Find(s.CursorTime)
	if s.ReadTime != nil {
		return s.ReadTime(v)
	}
	return Instant(v, s.CursorZone)
}

// Means reports whether a value of the column means what is wanted, in any spelling.
func (s Spec) Means(column string, have, want any) bool {
	return s.Same != nil && s.Same(column, have, want)
}

// Marked reports whether a value of the column Deleted marks a deleted row.
func (s Spec) Marked(v any) bool {
	return s.IsMark != nil && s.IsMark(v)
}

// PageBytes is about the largest size of all values of a page. It bounds the memory of a
// pull: a run holds three pages at once, each as rows, records and documents, so one byte
// of a page takes sixteen bytes of memory.
const PageBytes = 2 << 20

// Pull asks for a datatype's rows.
type Pull struct {
	Spec
	Cursor Cursor // the end of the last finished run
	// Resume comes from the last page that this run applied; nil: it applied none.
	Resume   json.RawMessage
	PageSize int // about how many rows a page has; > 0. PageBytes also ends a page
}

// Page is one part of a pull.
type Page struct {
	Rows    []Row
	Rejects []Reject
	// Resume continues the pull after this page. It is never empty.
	Resume json.RawMessage
	// Cursor is the beginning of the next run if this page is the last one. It is the
	// latest (time, id) read so far, at most the source's clock less the margin, and
	// never before the cursor with which the pull began. The first bound keeps rows
	// that commit later within reach; the second keeps a run from moving backwards.
	Cursor Cursor
	// Done and Total measure progress in Unit. Total is 0 while it is unknown.
	Done, Total int64
	Unit        Unit // "": Rows
}

// Unit names what progress counts.
type Unit string

// The units.
const (
	Rows  Unit = "rows"
	Bytes Unit = "bytes" // of a file, as it is stored: a packed file's are those of the archive
)

// Zoned is implemented by readers of a source that has a zone of its own.
type Zoned interface {
	// Zone returns the zone in which the source itself writes times without a zone.
	Zone() *time.Location
}

// Reader returns the pages of a pull.
type Reader interface {
	// Next returns the next page, which may have no rows, or io.EOF after the last one.
	// The rows are valid until the caller calls Next again.
	Next(ctx context.Context) (Page, error)
	Close() error
}

// Op is the operation of a change.
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
	ID  string // the record's id in the store
	Key []any  // the row's key, in the order of Spec.Key; nil only for a Create at a KeyChooser
	// Fields holds the row's values by column: all columns of the mapping for a Create
	// or an Update, none for a Delete.
	Fields map[string]any
	// Lacking names the columns of Fields that are nil because the record has no such field.
	// A source with defaults may use them there, if the Create makes a new row.
	Lacking []string
	// Changed names the fields that an Update writes. The others keep the source's values.
	Changed []string
	// Expect holds the values on which both sides last agreed: those of the changed
	// fields for an Update, all of them for a Delete. A source that can compare them
	// refuses the change with ErrMoved if the row has other values now, and does not mean
	// the same by the Spec. Otherwise the push would overwrite an edit that no pull has seen.
	Expect      map[string]any
	ExternalIDs map[string]string
	// Attempt is an idempotency key: it stays the same when this change is sent again,
	// and no other change has it.
	Attempt string
}

// ErrMoved reports that somebody changed the row at the source since both sides last
// agreed. The source wrote nothing. The next pull reads the new values, and the merge
// decides.
var ErrMoved = errors.New("source: the row changed at the source")

// ErrExists reports that the row of a Create exists already, by the source's own comparison of
// keys, and has other values. The source wrote nothing. The result has the row's key.
var ErrExists = errors.New("source: the row exists already")

// ErrUnanswered reports that the outcome of a change is unknown: its call failed, or a
// failure before it kept the call from being made. The caller sends the change again.
var ErrUnanswered = errors.New("source: the change was not answered")

// ErrNotWritten reports that the source wrote nothing of a change, although it does not
// refuse the change itself. The caller sends the change again.
var ErrNotWritten = errors.New("source: the change was not written")

// Unanswered returns n results with ErrUnanswered. A Push that makes several calls starts
// with them and fills them in, so that it can return the known results when a call fails.
func Unanswered(n int) []Result {
	results := make([]Result, n)
	for i := range results {
		results[i].Err = ErrUnanswered
	}
	return results
}

// ErrReadOnly reports that the source accepts no pushes.
var ErrReadOnly = errors.New("source: cannot be pushed to")

// Result answers one Change.
type Result struct {
	// Key is the key of a Create's row as the source has it, in the order of Spec.Key, where
	// the source chose it or may spell it otherwise than the change.
	Key []any
	// ExternalIDs are the source's ids that the caller keeps with the record.
	ExternalIDs map[string]string
	// Err is ErrMoved, ErrExists or a *fault.Error if the source refused this change. It then
	// wrote nothing of it, and the other changes of the batch are not affected. The code
	// Unavailable means that the source failed at this change alone: a later push sends
	// it again. An Update, a Delete or a Create with a Key may have been written then.
	//
	// Err is ErrUnanswered or ErrNotWritten only if Push returns an error as well.
	Err error
}

// Source is one open data source.
type Source interface {
	// Pull starts to read a datatype's rows.
	Pull(ctx context.Context, p Pull) (Reader, error)

	// Push writes the changes and returns one result for each, in their order. Pushing
	// the same changes again is harmless.
	//
	// If Push returns an error, it may have written some of the changes. Results that
	// come with the error tell which outcomes are known; the others are ErrUnanswered.
	// Without results no outcome is known.
	//
	// Push calls fence.Allow(ctx) right before each write and ends with its error:
	// another process may have taken the run over, and a late write would overwrite
	// newer values (docs/decisions/012). Env.HTTP does so by itself.
	Push(ctx context.Context, spec Spec, changes []Change) ([]Result, error)

	// PushSize returns the largest number of changes for one call of Push.
	PushSize() int

	// Close releases everything.
	Close() error
}

// KeyChooser is implemented by sources that give new rows their keys themselves.
type KeyChooser interface {
	// ChoosesKeys reports whether the source itself chooses the keys of the datatype's
	// new rows.
	ChoosesKeys(datatype string) bool
}

// KeyFinder is implemented by sources that may spell keys otherwise than they were sent: 7 for
// 007, or a row abc that is found as ABC.
type KeyFinder interface {
	// FindKeys returns the key of the row that the source finds under each of the keys, as
	// the row has it; nil where it finds none.
	FindKeys(ctx context.Context, spec Spec, keys [][]any) ([][]any, error)
}

// Selector is implemented by sources that do not get every new record.
type Selector interface {
	// Takes reports whether the source gets the record of a Create. Otherwise the record
	// stays in the store alone: it is neither pushed nor rejected.
	Takes(datatype string, c Change) bool
}

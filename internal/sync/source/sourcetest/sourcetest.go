// Package sourcetest is the conformance suite of package source: a kind of
// source lands only when it passes. Every topic has a file; every subtest has a
// place of its own, so all of them run at once.
//
// What the kinds legitimately differ in is said by the Harness, not by a list of
// tests to skip.
package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// Harness says how to try a kind of source, and what it can do. The zero value
// of each field but New is right for a source that is read whole each time.
type Harness struct {
	// New returns an empty place that nothing else uses. It is cleaned up by
	// t.Cleanup.
	New func(t testing.TB) Place

	// Cursor: a row has a time of change, and a pull can begin after one.
	// The place's Spec names it in CursorTime.
	Cursor bool
	// SoftDelete: a deleted row stays and is marked. The place's Spec names the
	// mark in Deleted.
	SoftDelete bool
	// Push: the source takes pushes.
	Push bool
	// NoDelete: rows cannot be deleted at the source, and a Delete is refused.
	NoDelete bool
	// ChoosesKeys: the source chooses the key of a created row, whose change has none.
	ChoosesKeys bool
	// Conditional: a change whose Expect does not hold is refused with ErrMoved.
	Conditional bool
	// PartialUpdate: an Update writes the changed fields only, and leaves what
	// others wrote to the rest.
	PartialUpdate bool
	// Snapshot: a pull may fail when the source changes under it, as a file
	// that is replaced does, so that it has to begin again.
	Snapshot bool
	// Positional: the source pages by position, so that a row removed while a
	// pull runs may hide another from it.
	Positional bool
	// AnyDatatype: a datatype that is not at the source is not an error.
	AnyDatatype bool
	// NUL: a string may have a zero byte in it.
	NUL bool
	// LongestName is how many bytes a name may have; 0 is 64 KiB.
	LongestName int

	// ID returns the i-th id, in the order of keys; nil: "r0001" and so on.
	ID func(i int) string
	// Now is the source's clock; nil: time.Now.
	Now func() time.Time
	// Read returns a pulled row as a Record; nil: the columns have the names of
	// Columns. Key and Fields are its opposite, for pushes; nil: the same.
	Read   func(row source.Row) (Record, error)
	Key    func(id string) []any
	Fields func(r Record) map[string]any
}

// Columns are the names of the columns, unless the harness reads and writes rows itself.
var Columns = []string{"id", "name", "value", "updated_at", "deleted"}

// Record is a row as the suite knows it. UpdatedAt has whole seconds.
type Record struct {
	ID        string
	Name      string
	Value     float64
	UpdatedAt time.Time
	Deleted   bool
}

// Place is one datatype at a source.
type Place interface {
	// Open opens the source, as another process would; it is closed by the
	// suite, or by t.Cleanup if the suite forgets.
	Open(t testing.TB) source.Source
	// Spec is that of the datatype. Overlap and Margin are the suite's.
	Spec() source.Spec
	// Put creates or replaces rows behind the driver's back.
	Put(t testing.TB, rows ...Record)
	// Remove makes rows vanish behind the driver's back.
	Remove(t testing.TB, ids ...string)
	// Rows returns what the source has, by id.
	Rows(t testing.TB) map[string]Record
}

// BadRows is a Place that can hold a row which cannot be read.
type BadRows interface {
	// PutBad puts one, which comes before, after or among the others.
	PutBad(t testing.TB)
}

// Refuses is a Place whose source can refuse a change for good.
type Refuses interface {
	// Refused returns a change that it refuses.
	Refused(t testing.TB) source.Change
}

const (
	overlap = 10 * time.Minute
	margin  = time.Minute
)

type topic map[string]func(*fixture)

// Run checks everything that package source promises.
func Run(t *testing.T, h Harness) {
	t.Helper()
	require.NotNil(t, h.New, "Harness.New")
	topics := []topic{emptyTests, pagingTests, equalTimeTests, resumeTests, concurrentTests, contextTests, hostileTests, badTests, unknownTests}
	if h.Cursor {
		topics = append(topics, cursorTests)
	}
	if h.Push {
		topics = append(topics, pushTests, batchTests, movedTests, fenceTests)
	} else {
		topics = append(topics, readOnlyTests)
	}
	for _, tests := range topics {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newFixture(t, h))
			})
		}
	}
}

// fixture is a place that nobody else uses.
type fixture struct {
	*testing.T
	ctx   context.Context
	h     Harness
	place Place
	base  time.Time // a while ago, in whole seconds
}

func newFixture(t *testing.T, h Harness) *fixture {
	if h.ID == nil {
		h.ID = func(i int) string { return fmt.Sprintf("r%04d", i) }
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Read == nil {
		h.Read = ReadRow
	}
	if h.Key == nil {
		h.Key = func(id string) []any { return []any{id} }
	}
	if h.Fields == nil {
		h.Fields = fieldsOf
	}
	if h.LongestName == 0 {
		h.LongestName = 64 << 10
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return &fixture{T: t, ctx: ctx, h: h, place: h.New(t), base: h.Now().UTC().Add(-24 * time.Hour).Truncate(time.Second)}
}

// record returns the i-th row, changed i minutes after base.
func (f *fixture) record(i int) Record {
	return Record{
		ID: f.h.ID(i), Name: fmt.Sprintf("name %d", i), Value: float64(i) + 0.5,
		UpdatedAt: f.base.Add(time.Duration(i) * time.Minute),
	}
}

// put puts the rows from..to-1 and returns them.
func (f *fixture) put(from, to int) []Record {
	f.Helper()
	var rows []Record
	for i := from; i < to; i++ {
		rows = append(rows, f.record(i))
	}
	f.place.Put(f, rows...)
	return rows
}

func (f *fixture) open() source.Source {
	f.Helper()
	s := f.place.Open(f)
	f.Cleanup(func() { _ = s.Close() })
	return s
}

func (f *fixture) spec() source.Spec {
	s := f.place.Spec()
	s.Overlap, s.Margin = overlap, margin
	return s
}

func (f *fixture) request(size int) source.Pull {
	return source.Pull{Spec: f.spec(), PageSize: size}
}

// pulled is what a pull returned. Pages' rows are read at once, for they are
// the caller's only until the next page.
type pulled struct {
	records []Record // in the order that they came
	rejects []source.Reject
	resumes []json.RawMessage
	pages   [][]Record
	cursor  source.Cursor // of the last page, or the one that the pull began with
}

func (p pulled) byID() map[string]Record {
	m := make(map[string]Record, len(p.records))
	for _, r := range p.records {
		m[r.ID] = r
	}
	return m
}

// pull pulls to the end with a source of its own.
func (f *fixture) pull(p source.Pull) pulled {
	f.Helper()
	s := f.open()
	out := f.drain(s, p)
	require.NoError(f, s.Close())
	return out
}

func (f *fixture) drain(s source.Source, p source.Pull) pulled {
	f.Helper()
	r, err := s.Pull(f.ctx, p)
	require.NoError(f, err)
	out := pulled{cursor: p.Cursor}
	for f.next(r, &out) {
	}
	require.NoError(f, r.Close())
	return out
}

// next adds a page to out, and says whether there was one.
func (f *fixture) next(r source.Reader, out *pulled) bool {
	f.Helper()
	page, err := r.Next(f.ctx)
	if errors.Is(err, io.EOF) {
		return false
	}
	require.NoError(f, err)
	f.checkPage(page, out.cursor)
	var records []Record
	for _, row := range page.Rows {
		rec, err := f.h.Read(row)
		require.NoError(f, err)
		records = append(records, rec)
	}
	out.pages = append(out.pages, records)
	out.records = append(out.records, records...)
	out.rejects = append(out.rejects, page.Rejects...)
	out.resumes = append(out.resumes, page.Resume)
	out.cursor = page.Cursor
	require.Less(f, len(out.pages), 10_000, "the pull does not end")
	return true
}

// checkPage checks what is true of every page.
func (f *fixture) checkPage(page source.Page, before source.Cursor) {
	f.Helper()
	require.True(f, json.Valid(page.Resume), "Resume of a page is not JSON: %q", page.Resume)
	require.False(f, page.Cursor.Time.Before(before.Time), "the cursor went back from %v to %v", before.Time, page.Cursor.Time)
	require.False(f, page.Cursor.Time.After(f.h.Now().Add(-margin)), "the cursor %v is later than the clock less the margin", page.Cursor.Time)
	require.GreaterOrEqual(f, page.Done, int64(0))
	if page.Total > 0 {
		require.LessOrEqual(f, page.Done, page.Total)
	}
	for _, row := range page.Rows {
		require.NotNil(f, row.Columns)
		require.LessOrEqual(f, len(row.Values), len(row.Columns.Names()))
		for i, v := range row.Values {
			require.True(f, isRowValue(v), "column %s has a %T", row.Columns.Names()[i], v)
		}
	}
	for _, r := range page.Rejects {
		require.NotEmpty(f, r.Reason)
	}
}

// same asserts that the records are those, in any order; one may have come twice.
func (f *fixture) same(want []Record, got pulled) {
	f.Helper()
	m := make(map[string]Record, len(want))
	for _, r := range want {
		m[r.ID] = r
	}
	f.sameMap(m, got.byID())
}

func (f *fixture) sameMap(want, got map[string]Record) {
	f.Helper()
	require.Equal(f, plain(want), plain(got))
}

// contains asserts that each of the records came.
func (f *fixture) contains(got pulled, want ...Record) {
	f.Helper()
	have := got.byID()
	for _, r := range want {
		require.Contains(f, have, r.ID)
		require.Equal(f, plainRecord(r), plainRecord(have[r.ID]))
	}
}

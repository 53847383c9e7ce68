// Package sourcetest is the conformance suite for kinds of source. No kind lands before it
// passes. Every topic has a file of its own. Every subtest has a place of its own, so all
// subtests can run at the same time.
//
// The Harness states the abilities in which kinds may differ. The suite tests an ability
// where it is claimed, so there is no list of tests to skip.
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

// Harness tells the suite how to test a kind of source and which abilities it has. The
// zero value of each field except New fits a source that every pull reads as a whole.
type Harness struct {
	// New returns an empty place that only this subtest uses. t.Cleanup removes it.
	New func(t testing.TB) Place

	// Cursor: rows have the time of their last change, and a pull can begin after a
	// time. The place's Spec names the column in CursorTime.
	Cursor bool
	// SoftDelete: a deleted row stays and is marked. The place's Spec names the column
	// of the mark in Deleted.
	SoftDelete bool
	// Push: the source accepts pushes.
	Push bool
	// NoDelete: the source cannot delete rows and refuses a Delete.
	NoDelete bool
	// ChoosesKeys: the source chooses the keys of new rows; a Create has no key.
	ChoosesKeys bool
	// Conditional: the source refuses a change with ErrMoved if the row differs from
	// the change's Expect.
	Conditional bool
	// PartialUpdate: an Update writes only the changed fields and keeps what others
	// wrote to the rest of the row.
	PartialUpdate bool
	// Snapshot: a pull may fail if the source changes meanwhile, for example because a
	// file is replaced. The caller then starts the pull again.
	Snapshot bool
	// Positional: the source pages by position, so a row that is removed during a pull
	// may hide another row.
	Positional bool
	// AnyDatatype: a pull of an unknown datatype is no error.
	AnyDatatype bool
	// NUL: a string may contain a zero byte.
	NUL bool
	// LongestName is the largest number of bytes of a name; 0: 64 KiB.
	LongestName int

	// ID returns the i-th id, in the order of keys; nil: "r0001" and so on.
	ID func(i int) string
	// Now returns the time of the source's clock; nil: time.Now.
	Now func() time.Time
	// Read turns a pulled row into a Record; nil: the columns have the names in
	// Columns. Key and Fields are the reverse, for pushes; nil: the names in Columns.
	Read   func(row source.Row) (Record, error)
	Key    func(id string) []any
	Fields func(r Record) map[string]any
}

// Columns holds the names of the columns if the harness has no Read, Key and Fields.
var Columns = []string{"id", "name", "value", "updated_at", "deleted"}

// Record is a row in the suite's own form. UpdatedAt has whole seconds.
type Record struct {
	ID        string
	Name      string
	Value     float64
	UpdatedAt time.Time
	Deleted   bool
}

// Place is one datatype at a source.
type Place interface {
	// Open opens the source as another process would. The suite closes it.
	Open(t testing.TB) source.Source
	// Spec returns the datatype's Spec. The suite sets Overlap and Margin.
	Spec() source.Spec
	// Put creates or replaces rows directly, not through the source.
	Put(t testing.TB, rows ...Record)
	// Remove removes rows directly, not through the source.
	Remove(t testing.TB, ids ...string)
	// Rows returns the present rows by id, read directly.
	Rows(t testing.TB) map[string]Record
}

// BadRows is a Place that can hold a row that the source cannot read.
type BadRows interface {
	// PutBad adds such a row, at any place among the others.
	PutBad(t testing.TB)
}

// Refuses is a Place whose source can refuse a change for good.
type Refuses interface {
	// Refused returns a change that the source refuses.
	Refused(t testing.TB) source.Change
}

const (
	overlap = 10 * time.Minute
	margin  = time.Minute
)

type topic map[string]func(*fixture)

// Run tests every promise of package source on a kind of source.
func Run(t *testing.T, h Harness) {
	t.Helper()
	require.NotNil(t, h.New, "Harness.New")
	topics := []topic{emptyTests, pagingTests, equalTimeTests, resumeTests, concurrentTests, contextTests, hostileTests, badTests, unknownTests}
	if h.Cursor {
		topics = append(topics, cursorTests)
	}
	if h.Push {
		topics = append(topics, pushTests, batchTests, movedTests, spelledTests, fenceTests)
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

// fixture holds the place of one subtest.
type fixture struct {
	*testing.T
	ctx   context.Context
	h     Harness
	place Place
	base  time.Time // a day ago, in whole seconds
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

// nth returns the i-th row, whose last change is i minutes after base.
func (f *fixture) nth(i int) Record {
	return Record{
		ID: f.h.ID(i), Name: fmt.Sprintf("name %d", i), Value: float64(i) + 0.5,
		UpdatedAt: f.base.Add(time.Duration(i) * time.Minute),
	}
}

// put adds the rows from from to to-1 and returns them.
func (f *fixture) put(from, to int) []Record {
	f.Helper()
	var rows []Record
	for i := from; i < to; i++ {
		rows = append(rows, f.nth(i))
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

// pulled holds everything that a pull returned. The rows of a page are copied at once,
// because they are valid only until the next page.
type pulled struct {
	records []Record // in the order of the pull
	rejects []source.Reject
	resumes []json.RawMessage
	pages   [][]Record
	cursor  source.Cursor // of the last page; of the request if there was no page
}

func (p pulled) byID() map[string]Record {
	m := make(map[string]Record, len(p.records))
	for _, r := range p.records {
		m[r.ID] = r
	}
	return m
}

// pull opens a source of its own and pulls to the end.
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

// next adds the next page to out and reports whether there was one.
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

// checkPage checks the promises that hold for every page.
func (f *fixture) checkPage(page source.Page, before source.Cursor) {
	f.Helper()
	require.True(f, json.Valid(page.Resume), "Resume of a page is not JSON: %q", page.Resume)
	require.False(f, page.Cursor.Time.Before(before.Time), "the cursor went back from %v to %v", before.Time, page.Cursor.Time)
	require.False(f, page.Cursor.Time.After(f.h.Now().Add(-margin)), "the cursor %v is later than the clock less the margin", page.Cursor.Time)
	require.Contains(f, []source.Unit{"", source.Rows, source.Bytes}, page.Unit)
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

// same asserts that a pull returned exactly the records want, in any order. A record may
// occur twice.
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

// contains asserts that a pull returned each of the records want.
func (f *fixture) contains(got pulled, want ...Record) {
	f.Helper()
	have := got.byID()
	for _, r := range want {
		require.Contains(f, have, r.ID)
		require.Equal(f, plainRecord(r), plainRecord(have[r.ID]))
	}
}

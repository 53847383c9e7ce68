package sqlsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

// everywhere runs a test on each kind of server.
func everywhere(t *testing.T, test func(t *testing.T, s server)) {
	t.Helper()
	for _, s := range []server{onPostgres, onMySQL, onSQLite} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// pulled holds the rows and rejects of a whole pull.
type pulled struct {
	rows    []map[string]any
	rejects []source.Reject
	last    source.Page
}

func pullAll(t testing.TB, s source.Source, p source.Pull) pulled {
	t.Helper()
	r, err := s.Pull(t.Context(), p)
	require.NoError(t, err)
	var out pulled
	for {
		page, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			require.NoError(t, r.Close())
			return out
		}
		require.NoError(t, err)
		for _, row := range page.Rows {
			out.rows = append(out.rows, row.Map())
		}
		out.rejects, out.last = append(out.rejects, page.Rejects...), page
	}
}

func ids(rows []map[string]any) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, fmt.Sprint(r["id"]))
	}
	return out
}

func TestRowsWithoutATime(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newReadings(t, s, true, false)
		p.exec(t, "INSERT INTO reading (id, name) VALUES ('n3', 'x'), ('n1', 'x'), ('n2', 'x'), ('n4', 'x'), ('n5', 'x')")
		at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
		p.Put(t, sourcetest.Record{ID: "b", UpdatedAt: at}, sourcetest.Record{ID: "a", UpdatedAt: at.Add(time.Minute)})
		src := p.Open(t)
		for _, size := range []int{1, 2, 3, 10} {
			got := pullAll(t, src, source.Pull{Spec: p.spec, PageSize: size})
			require.Equal(t, []string{"n1", "n2", "n3", "n4", "n5", "b", "a"}, ids(got.rows))
			require.Equal(t, int64(7), got.last.Total)
			require.Equal(t, int64(7), got.last.Done)

			// Nobody knows when they changed, so every pull returns them.
			got = pullAll(t, src, source.Pull{Spec: p.spec, PageSize: size, Cursor: got.last.Cursor})
			require.Equal(t, []string{"n1", "n2", "n3", "n4", "n5", "a"}, ids(got.rows))
			require.True(t, at.Add(time.Minute).Equal(got.last.Cursor.Time))
		}
		// A pull can resume between two rows without a time.
		r, err := src.Pull(t.Context(), source.Pull{Spec: p.spec, PageSize: 2})
		require.NoError(t, err)
		page, err := r.Next(t.Context())
		require.NoError(t, err)
		require.NoError(t, r.Close())
		rest := pullAll(t, src, source.Pull{Spec: p.spec, PageSize: 2, Resume: page.Resume})
		require.Equal(t, []string{"n3", "n4", "n5", "b", "a"}, ids(rest.rows))
	})
}

func TestRowsWithoutAKey(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		p.exec(t, "CREATE TABLE reading (well varchar(20), at "+s.updated+", value integer)")
		p.exec(t, "INSERT INTO reading VALUES ('a', NULL, 1), (NULL, '2020-01-01 00:00:00', 2), ('c', '2020-01-01 00:00:00', 3), (NULL, NULL, 4)")
		got := pullAll(t, p.Open(t), source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"well", "at"}, CursorTime: "at"}, PageSize: 2})
		require.Len(t, got.rows, 1)
		require.Equal(t, int64(3), got.rows[0]["value"])
		require.Len(t, got.rejects, 3)
	})
}

func TestKeysOfSeveralColumns(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		p.exec(t, "CREATE TABLE reading (well varchar(20), at "+s.updated+", depth decimal(20, 3), value integer, PRIMARY KEY (well, at, depth))")
		want := map[string]bool{}
		for i := range 30 {
			well, depth := fmt.Sprintf("well %d", i%3), fmt.Sprintf("12345678901234567.%03d", i%5)
			if s.name == "sqlite" {
				depth = fmt.Sprintf("%d.125", i%5) // has no exact decimals as a float
			}
			p.exec(t, "INSERT INTO reading VALUES ("+p.placeholders(4)+")", well, fmt.Sprintf("2020-01-01 00:00:%02d", i/10), depth, i)
			want[fmt.Sprint(i)] = true
		}
		spec := source.Spec{Datatype: "reading", Key: []string{"well", "at", "depth"}}
		for _, cursor := range []string{"", "at"} {
			spec.CursorTime = cursor
			for _, size := range []int{1, 4, 7} {
				// A source of its own reads each page.
				got, resume := map[string]bool{}, json.RawMessage(nil)
				for pages := 0; ; pages++ {
					require.Less(t, pages, 40)
					r, err := p.Open(t).Pull(t.Context(), source.Pull{Spec: spec, PageSize: size, Resume: resume})
					require.NoError(t, err)
					page, err := r.Next(t.Context())
					require.NoError(t, r.Close())
					if errors.Is(err, io.EOF) {
						break
					}
					require.NoError(t, err)
					for _, row := range page.Rows {
						v, _ := row.Get("value")
						require.False(t, got[fmt.Sprint(v)], "a row came twice")
						got[fmt.Sprint(v)] = true
					}
					resume = page.Resume
				}
				require.Equal(t, want, got)
			}
		}
	})
}

// A transaction that is open during a pull and commits later is not lost.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	for _, s := range []server{onPostgres, onMySQL} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newReadings(t, s, true, false)
			p.spec.Overlap, p.spec.Margin = time.Minute, time.Second
			early, late := time.Now().UTC().Add(-31*time.Second).Truncate(time.Second), time.Now().UTC().Add(-30*time.Second).Truncate(time.Second)
			tx, err := p.db.Begin()
			require.NoError(t, err)
			_, err = tx.Exec("INSERT INTO reading (id, name, value, updated_at, deleted) VALUES ("+p.placeholders(5)+")", "late", "x", 1.0, p.stamp(early), false)
			require.NoError(t, err)
			p.Put(t, sourcetest.Record{ID: "seen", UpdatedAt: late})

			src := p.Open(t)
			first := pullAll(t, src, source.Pull{Spec: p.spec, PageSize: 10})
			require.Equal(t, []string{"seen"}, ids(first.rows))
			require.NoError(t, tx.Commit())
			second := pullAll(t, src, source.Pull{Spec: p.spec, PageSize: 10, Cursor: first.last.Cursor})
			require.Equal(t, []string{"late", "seen"}, ids(second.rows))
		})
	}
}

// The cursor does not pass the time at which the pull began, even if the pull takes long. A
// row that commits meanwhile may have any time since then.
func TestClockOfTheBeginning(t *testing.T) {
	t.Parallel()
	p := newReadings(t, onSQLite, true, false)
	p.Put(t, sourcetest.Record{ID: "old", UpdatedAt: time.Now().Add(-time.Hour)}, sourcetest.Record{ID: "future", UpdatedAt: time.Now().Add(24 * time.Hour)})
	src := p.Open(t)
	r, err := src.Pull(t.Context(), source.Pull{Spec: p.spec, PageSize: 1})
	require.NoError(t, err)
	page, err := r.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Close())

	var m map[string]any
	require.NoError(t, json.Unmarshal(page.Resume, &m))
	began := time.Now().UTC().Add(-30 * time.Minute).Truncate(time.Second)
	m["clock"] = began
	resume, err := json.Marshal(m)
	require.NoError(t, err)
	rest := pullAll(t, src, source.Pull{Spec: p.spec, PageSize: 1, Resume: resume})
	require.Equal(t, []string{"future"}, ids(rest.rows))
	require.True(t, began.Equal(rest.last.Cursor.Time), "the cursor is at %v", rest.last.Cursor.Time)
}

func TestQuery(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newReadings(t, s, true, false)
		at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
		p.Put(t, sourcetest.Record{ID: "a", Value: 1, UpdatedAt: at}, sourcetest.Record{ID: "b", Value: 2, UpdatedAt: at}, sourcetest.Record{ID: "c", Value: 3, UpdatedAt: at})
		from := "reading"
		if s.name == "postgres" {
			from = p.options["schema"].(string) + ".reading"
		}
		p.options["tables"] = map[string]any{"doubled": map[string]any{"query": "SELECT id, value * 2 AS twice, updated_at FROM " + from + " WHERE value > 1 -- not all\n;"}}
		src := p.Open(t)
		spec := source.Spec{Datatype: "doubled", Key: []string{"id"}, CursorTime: "updated_at"}
		got := pullAll(t, src, source.Pull{Spec: spec, PageSize: 1})
		require.Equal(t, []string{"b", "c"}, ids(got.rows))
		require.InDelta(t, 6, got.rows[1]["twice"], 0)
		require.True(t, at.Equal(source.InZone(got.rows[1]["updated_at"].(time.Time), p.zone)))
		_, err := src.Push(t.Context(), spec, []source.Change{{Op: source.Delete, Key: []any{"b"}}})
		require.ErrorIs(t, err, source.ErrReadOnly)
	})
}

func TestWrongColumns(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newReadings(t, s, true, false)
		src := p.Open(t)
		for _, spec := range []source.Spec{
			{Datatype: "reading", Key: []string{"nokey"}},
			{Datatype: "reading", Key: []string{"id"}, CursorTime: "nokey"},
			{Datatype: "reading", Key: []string{"id"}, Deleted: "nokey"},
		} {
			_, err := src.Pull(t.Context(), source.Pull{Spec: spec, PageSize: 1})
			require.ErrorContains(t, err, `has no column "nokey": its columns are id, name, value, updated_at, deleted`)
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
		}
		_, err := src.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"id"}, Mapped: []string{"colour", "owner.name"}}, PageSize: 1})
		require.ErrorContains(t, err, `there is none of the columns that the mapping of reading reads: they are ["colour" "owner.name"]`)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
		_, err = src.Push(t.Context(), p.spec, []source.Change{{Op: source.Create, Key: []any{"a"}, Fields: map[string]any{"colour": 1, "name": "x", "shape": 2}}})
		require.ErrorContains(t, err, `has no column "colour", "shape": its columns are id, name,`)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
	})
}

func TestCursorIsATime(t *testing.T) {
	t.Parallel()
	for _, s := range []server{onPostgres, onMySQL} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := newReadings(t, s, true, false)
			p.spec.CursorTime = "name"
			_, err := p.Open(t).Pull(t.Context(), source.Pull{Spec: p.spec, PageSize: 1})
			require.ErrorContains(t, err, "the cursor column name")
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
		})
	}
}

// After a failed call, the next call reads the same page.
func TestNextAfterAnError(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newReadings(t, s, true, false)
		at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprintf("r%02d", i))
			p.Put(t, sourcetest.Record{ID: want[i], UpdatedAt: at})
		}
		r, err := p.Open(t).Pull(t.Context(), source.Pull{Spec: p.spec, PageSize: 3})
		require.NoError(t, err)
		var got []string
		lost := 0
		for i := 0; ; i++ {
			if i%2 == 1 {
				cancelled, cancel := context.WithCancel(t.Context())
				cancel()
				_, err := r.Next(cancelled)
				require.ErrorIs(t, err, context.Canceled)
			}
			if i == 3 && r.(*reader).rows != nil { // the connection breaks in the middle of the pull
				r.(*reader).cancel()
			}
			page, err := r.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil && lost == 0 && i >= 3 {
				lost++
				continue
			}
			require.NoError(t, err)
			for _, row := range page.Rows {
				id, _ := row.Get("id")
				got = append(got, id.(string))
			}
		}
		require.Equal(t, want, got)
		require.NoError(t, r.Close())
	})
}

// A column that was an integer and changed its type is not read as an integer.
func TestColumnThatChanged(t *testing.T) {
	t.Parallel()
	p := newReadings(t, onPostgres, false, false)
	p.exec(t, "ALTER TABLE reading ADD COLUMN n integer")
	p.Put(t, sourcetest.Record{ID: "a"})
	p.exec(t, "UPDATE reading SET n = 7")
	src := p.Open(t)
	require.Equal(t, int64(7), pullAll(t, src, source.Pull{Spec: p.spec, PageSize: 1}).rows[0]["n"])
	p.exec(t, "ALTER TABLE reading ALTER COLUMN n TYPE bigint USING 1234567890123")
	r, err := src.Pull(t.Context(), source.Pull{Spec: p.spec, PageSize: 1})
	require.NoError(t, err)
	_, err = r.Next(t.Context())
	require.Error(t, err)
	require.NoError(t, src.Close()) // Close also closes a reader that was left open
	require.Equal(t, int64(1234567890123), pullAll(t, p.Open(t), source.Pull{Spec: p.spec, PageSize: 1}).rows[0]["n"])
}

func TestCloseWithReaders(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newReadings(t, s, true, false)
		for i := range 20 {
			p.Put(t, sourcetest.Record{ID: fmt.Sprint("r", i), UpdatedAt: time.Now()})
		}
		src := p.Open(t)
		r, err := src.Pull(t.Context(), source.Pull{Spec: p.spec, PageSize: 1})
		require.NoError(t, err)
		_, err = r.Next(t.Context())
		require.NoError(t, err)
		require.NoError(t, src.Close())
		_, err = r.Next(t.Context())
		require.ErrorIs(t, err, errClosed)
		require.NoError(t, r.Close())
	})
}

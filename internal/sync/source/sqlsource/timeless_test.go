package sqlsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// lenient runs a statement in a session that accepts zero dates.
func (p *place) lenient(t testing.TB, query string, args ...any) {
	t.Helper()
	if p.server.name != "mysql" {
		p.exec(t, query, args...)
		return
	}
	c, err := p.db.Conn(context.Background())
	require.NoError(t, err)
	for _, q := range []string{"SET SESSION sql_mode = ''", query, "SET SESSION sql_mode = DEFAULT"} {
		if q == query {
			_, err = c.ExecContext(context.Background(), q, args...)
		} else {
			_, err = c.ExecContext(context.Background(), q)
		}
		require.NoError(t, err, q)
	}
	require.NoError(t, c.Close())
}

// unreadable lists values of a cursor column that no order of times has a place for.
var unreadable = map[string]map[string][]string{
	"postgres": {"timestamptz": {"infinity", "-infinity"}, "timestamp": {"infinity", "-infinity"}, "date": {"infinity", "-infinity"}},
	"mysql": {
		"datetime NOT NULL": {"0000-00-00 00:00:00"}, "date NOT NULL": {"0000-00-00"}, "datetime": {"0000-00-00 00:00:00"},
		"timestamp NOT NULL DEFAULT '2026-01-01'": {"0000-00-00 00:00:00"},
	},
	"sqlite": {
		"text": {"", " ", "soon", "10:30", "10h30", "0", "-", "2459000.5", "~", "2026-13-45"}, "datetime": {"", "never"}, "date": {""},
	},
}

// A row whose cursor is no time arrives like one whose cursor is NULL: once in every pull,
// and it neither moves the cursor nor hides others.
func TestCursorsThatAreNoTimes(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		for typ, values := range unreadable[s.name] {
			t.Run(typ, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, s)
				p.exec(t, "CREATE TABLE reading (id varchar(20) PRIMARY KEY, name varchar(20), updated_at "+typ+")")
				always := []string{}
				for i := range 30 {
					id := fmt.Sprintf("never %02d", i)
					p.lenient(t, "INSERT INTO reading VALUES ("+p.placeholders(3)+")", id, "x", values[i%len(values)])
					always = append(always, id)
				}
				if !strings.Contains(typ, "NOT NULL") {
					p.exec(t, "INSERT INTO reading (id) VALUES ('null')")
					always = append(always, "null")
				}
				for i := range 70 {
					p.exec(t, "INSERT INTO reading VALUES ("+p.placeholders(3)+")", fmt.Sprintf("timed %02d", i), "x", fmt.Sprintf("2026-01-%02d", 1+i%28))
				}
				src := p.Open(t)
				spec := source.Spec{Datatype: "reading", Key: []string{"id"}, CursorTime: "updated_at"}
				for _, size := range []int{7, 1000} {
					first := pullAll(t, src, source.Pull{Spec: spec, PageSize: size})
					require.Empty(t, first.rejects)
					require.Len(t, first.rows, 70+len(always))
					require.Len(t, slices.Compact(slices.Sorted(slices.Values(ids(first.rows)))), 70+len(always), "each row once")
					require.Equal(t, int64(len(first.rows)), first.last.Done)
					require.Equal(t, first.last.Done, first.last.Total)
					require.WithinDuration(t, time.Date(2026, 1, 28, 0, 0, 0, 0, time.UTC), first.last.Cursor.Time, 14*time.Hour)

					second := pullAll(t, src, source.Pull{Spec: spec, PageSize: size, Cursor: first.last.Cursor})
					got := ids(second.rows)
					require.Subset(t, got, always)
					require.LessOrEqual(t, len(got), len(always)+5, "no other old rows")
					require.Equal(t, first.last.Cursor.Time, second.last.Cursor.Time)
				}
			})
		}
	})
}

// Rows whose keys are NULL are counted once, whatever the size of pages and queries.
func TestRowsWithoutAKeyAreCountedOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		for _, batch := range []int{0, 4} {
			p := newPlace(t, s)
			if batch > 0 {
				p.options["batch"] = batch
			}
			p.exec(t, "CREATE TABLE reading (id varchar(20), name varchar(20), updated_at "+s.updated+")")
			for i := range 100 {
				var id any = fmt.Sprintf("r%03d", i)
				if i%10 < 3 {
					id = nil
				}
				p.exec(t, "INSERT INTO reading (id, name) VALUES ("+p.placeholders(2)+")", id, "x")
			}
			src := p.Open(t)
			for _, cursor := range []string{"", "updated_at"} {
				for _, size := range []int{7, 1000} {
					got := pullAll(t, src, source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"id"}, CursorTime: cursor}, PageSize: size})
					require.Len(t, got.rows, 70, "batch %d, page %d", batch, size)
					require.Len(t, got.rejects, 30, "batch %d, page %d", batch, size)
				}
				// Another process reads each page.
				rows, rejects, resume := 0, 0, json.RawMessage(nil)
				for range 40 {
					r, err := p.Open(t).Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"id"}, CursorTime: cursor}, PageSize: 7, Resume: resume})
					require.NoError(t, err)
					page, err := r.Next(t.Context())
					require.NoError(t, r.Close())
					if errors.Is(err, io.EOF) {
						break
					}
					require.NoError(t, err)
					rows, rejects, resume = rows+len(page.Rows), rejects+len(page.Rejects), page.Resume
				}
				require.Equal(t, []int{70, 30}, []int{rows, rejects})
			}
		}
	})
}

// A zero date in a key that is NOT NULL is a key, although the server also finds it as NULL.
func TestZeroDatesAsKeys(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"date", "datetime", "timestamp"} {
		p := newPlace(t, onMySQL)
		p.exec(t, "CREATE TABLE reading (well varchar(20) NOT NULL, at "+typ+" NOT NULL DEFAULT '2026-01-01', PRIMARY KEY (at, well))")
		for i := range 10 {
			p.lenient(t, "INSERT INTO reading VALUES (?, '0000-00-00')", fmt.Sprint("w", i))
		}
		p.exec(t, "INSERT INTO reading VALUES ('w', '2026-01-02')")
		for _, cursor := range []string{"", "at"} {
			got := pullAll(t, p.Open(t), source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"at", "well"}, CursorTime: cursor}, PageSize: 3})
			require.Len(t, got.rows, 11)
			require.Empty(t, got.rejects)
			require.Equal(t, int64(11), got.last.Done)
		}
	}
}

// Text in SQLite is compared as instants, whatever offset and form it has.
func TestTextCursorsAreInstants(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"text", "datetime", ""} {
		p := newPlace(t, onSQLite)
		p.exec(t, "CREATE TABLE reading (id text PRIMARY KEY, name text, updated_at "+typ+")")
		put := func(id, at string) { p.exec(t, "INSERT INTO reading VALUES (?, 'x', ?)", id, at) }
		put("first", "2026-11-01T05:50:00Z")
		put("old", "2026-10-31T20:00:00Z")
		put("old http", "Sat, 31 Oct 2026 20:00:00 GMT")
		spec := source.Spec{Datatype: "reading", Key: []string{"id"}, CursorTime: "updated_at", Overlap: time.Minute}
		src := p.Open(t)
		first := pullAll(t, src, source.Pull{Spec: spec, PageSize: 10})
		require.Len(t, first.rows, 3)
		require.Equal(t, "2026-11-01T05:50:00Z", first.last.Cursor.Time.Format(time.RFC3339))
		// All of these are later; as text, most are earlier.
		later := []string{
			"2026-11-01T00:55:00-05:00", "2026-11-01 01:10:00 -05:00", "2026-11-01T01:55:00-0400", "2026-11-01T11:30:00+05:30", "2026-11-01 06:00:00", "2026-11-01T06:00Z",
			"Sun, 01 Nov 2026 06:00:00 GMT", "1793512800", "2026-11-01 06:00:00 UTC", "2026-10-31T18:10:00-12:00",
		}
		for i, at := range later {
			put(fmt.Sprintf("later %d", i), at)
		}
		put("older", "2026-11-01T07:00:00+05:30")
		got := pullAll(t, src, source.Pull{Spec: spec, PageSize: 3, Cursor: first.last.Cursor})
		require.Len(t, got.rows, len(later)+1, "%v", ids(got.rows))
		require.NotContains(t, ids(got.rows), "older")
		require.NotContains(t, ids(got.rows), "old http")
	}
}

// With the zone of the cursor, local times in SQLite lose no row when the clocks go back.
func TestLocalTextInAutumn(t *testing.T) {
	t.Parallel()
	york, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	p := newReadings(t, onSQLite, true, false)
	p.spec.CursorZone, p.spec.Overlap = york, time.Minute
	src := p.Open(t)
	cursor, seen := source.Cursor{}, map[string]bool{}
	var want []string
	for at := time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC); at.Hour() < 9; at = at.Add(20 * time.Minute) {
		id := at.Format("15:04")
		p.exec(t, "INSERT INTO reading (id, updated_at) VALUES (?, ?)", id, at.In(york).Format(time.DateTime))
		got := pullAll(t, src, source.Pull{Spec: p.spec, PageSize: 10, Cursor: cursor})
		cursor, want = got.last.Cursor, append(want, id)
		for _, row := range got.rows {
			seen[row["id"].(string)] = true
		}
		require.Len(t, seen, len(want), "after %s", id)
		require.False(t, cursor.Time.After(at))
	}
}

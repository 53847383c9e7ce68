package sqlsource

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

func TestPushNeedsAUniqueKey(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		p.exec(t, "CREATE TABLE reading (id varchar(20), part varchar(20), value integer, UNIQUE (id, part))")
		src := p.Open(t)
		spec := source.Spec{Datatype: "reading", Key: []string{"id"}}
		change := []source.Change{{Op: source.Create, Key: []any{"a"}, Fields: map[string]any{"value": 1}}}
		_, err := src.Push(t.Context(), spec, change)
		require.ErrorContains(t, err, "has no primary key or unique index of exactly the columns [id]")
		require.Equal(t, fault.Invalid, fault.CodeOf(err))

		spec.Key, change[0].Key = []string{"part", "id"}, []any{"p", "a"}
		for range 2 {
			results, err := src.Push(t.Context(), spec, change)
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
		}
		require.Len(t, pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows, 1)
	})
}

// A push never replaces a row with another key because of an equal value in another unique
// index.
func TestAnotherUniqueIndex(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		p.exec(t, "CREATE TABLE reading (id varchar(20) PRIMARY KEY, email varchar(50) UNIQUE)")
		p.exec(t, "INSERT INTO reading VALUES ('a', 'a@example.org')")
		src := p.Open(t)
		results, err := src.Push(t.Context(), source.Spec{Datatype: "reading", Key: []string{"id"}}, []source.Change{
			{Op: source.Create, Key: []any{"b"}, Fields: map[string]any{"email": "a@example.org"}},
			{Op: source.Create, Key: []any{"c"}, Fields: map[string]any{"email": "c@example.org"}},
			{Op: source.Create, Key: []any{"a"}, Fields: map[string]any{"email": "new@example.org"}},
		})
		require.NoError(t, err)
		require.Equal(t, fault.Conflict, fault.CodeOf(results[0].Err))
		require.NoError(t, results[1].Err)
		require.Equal(t, source.Result{Key: []any{"a"}, Err: source.ErrExists}, results[2])
		got := pullAll(t, src, source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"id"}}, PageSize: 5})
		require.Equal(t, []map[string]any{{"id": "a", "email": "a@example.org"}, {"id": "c", "email": "c@example.org"}}, got.rows)
	})
}

func TestDeletedAt(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		p.exec(t, "CREATE TABLE reading (id varchar(20) PRIMARY KEY, value integer, deleted_at "+s.updated+")")
		p.exec(t, "INSERT INTO reading (id, value) VALUES ('a', 1), ('b', 2), ('c', 3)")
		src := p.Open(t)
		spec := source.Spec{Datatype: "reading", Key: []string{"id"}, Deleted: "deleted_at"}
		changes := []source.Change{
			{Op: source.Delete, Key: []any{"a"}, Expect: map[string]any{"value": int64(1), "deleted_at": nil}},
			{Op: source.Delete, Key: []any{"b"}, Expect: map[string]any{"value": int64(99), "deleted_at": nil}},
			{Op: source.Delete, Key: []any{"nobody"}, Expect: map[string]any{"value": int64(1)}},
		}
		for range 2 {
			results, err := src.Push(t.Context(), spec, changes)
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			require.ErrorIs(t, results[1].Err, source.ErrMoved)
			require.NoError(t, results[2].Err)
		}
		got := pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows
		require.WithinDuration(t, time.Now(), source.InZone(got[0]["deleted_at"].(time.Time), p.zone), time.Minute)
		require.Nil(t, got[1]["deleted_at"])
		require.Nil(t, got[2]["deleted_at"])
	})
}

func TestExpectedNULL(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newReadings(t, s, true, false)
		p.exec(t, "INSERT INTO reading (id) VALUES ('a'), ('b')")
		p.exec(t, "INSERT INTO reading (id, name) VALUES ('c', 'theirs')")
		update := func(id string) source.Change {
			return source.Change{Op: source.Update, Key: []any{id}, Fields: map[string]any{"name": "ours"}, Changed: []string{"name"}, Expect: map[string]any{"name": nil}}
		}
		src := p.Open(t)
		results, err := src.Push(t.Context(), p.spec, []source.Change{update("a"), update("c")})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.ErrorIs(t, results[1].Err, source.ErrMoved)

		back := source.Change{Op: source.Update, Key: []any{"a"}, Fields: map[string]any{"name": nil}, Changed: []string{"name"}, Expect: map[string]any{"name": "ours"}}
		results, err = src.Push(t.Context(), p.spec, []source.Change{back, back})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		require.NoError(t, results[1].Err)
	})
}

// Expect is compared byte by byte, even if the collation treats other texts as equal.
func TestExpectIgnoresTheCollation(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newReadings(t, s, true, false)
		p.exec(t, "INSERT INTO reading (id, name) VALUES ('a', 'Somewhere')")
		results, err := p.Open(t).Push(t.Context(), p.spec, []source.Change{{
			Op: source.Update, Key: []any{"a"}, Fields: map[string]any{"name": "ours"}, Changed: []string{"name"}, Expect: map[string]any{"name": "somewhere"},
		}})
		require.NoError(t, err)
		require.ErrorIs(t, results[0].Err, source.ErrMoved)
	})
}

// A deferred constraint fails the COMMIT of all rows. Only the bad row is refused.
func TestDeferredConstraint(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onPostgres)
	p.exec(t, "CREATE TABLE well (id text PRIMARY KEY)")
	p.exec(t, "CREATE TABLE reading (id text PRIMARY KEY, well text REFERENCES well DEFERRABLE INITIALLY DEFERRED)")
	p.exec(t, "INSERT INTO well VALUES ('w')")
	var changes []source.Change
	for i := range 6 {
		well := "w"
		if i == 3 {
			well = "nowhere"
		}
		changes = append(changes, source.Change{Op: source.Create, Key: []any{fmt.Sprint(i)}, Fields: map[string]any{"well": well}})
	}
	spec := source.Spec{Datatype: "reading", Key: []string{"id"}}
	src := p.Open(t)
	results, err := src.Push(t.Context(), spec, changes)
	require.NoError(t, err)
	for i, r := range results {
		if i == 3 {
			require.ErrorContains(t, r.Err, "refused the row")
		} else {
			require.NoError(t, r.Err)
		}
	}
	require.Len(t, pullAll(t, src, source.Pull{Spec: spec, PageSize: 10}).rows, 5)
}

func TestRefusedRows(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		end := ""
		if s.name == "sqlite" {
			end = " STRICT"
		}
		integer := map[string]string{"sqlite": "int"}[s.name]
		if integer == "" {
			integer = "smallint"
		}
		text := map[string]string{"sqlite": "text"}[s.name]
		if text == "" {
			text = "varchar(5)"
		}
		p.exec(t, fmt.Sprintf("CREATE TABLE reading (id %s PRIMARY KEY NOT NULL, name %s NOT NULL CHECK (length(name) < 6), value %s CHECK (value < 1000), other %s UNIQUE)%s", map[bool]string{true: "text", false: "varchar(20)"}[s.name == "sqlite"], text, integer, integer, end))
		refused := []map[string]any{
			{"name": nil, "value": 1},
			{"value": 1},
			{"name": "far too long", "value": 1},
			{"name": "x", "value": "many"},
			{"name": "x", "value": 1.5e300},
			{"name": "x", "value": int64(100000)},
			{"name": "x", "other": 7},
		}
		changes := []source.Change{{Op: source.Create, Key: []any{"first"}, Fields: map[string]any{"name": "first", "other": 7}}}
		for i, fields := range refused {
			changes = append(changes, source.Change{Op: source.Create, Key: []any{fmt.Sprintf("bad %d", i)}, Fields: fields})
		}
		changes = append(changes, source.Change{Op: source.Create, Key: []any{"last"}, Fields: map[string]any{"name": "last"}})
		src := p.Open(t)
		spec := source.Spec{Datatype: "reading", Key: []string{"id"}}
		results, err := src.Push(t.Context(), spec, changes)
		require.NoError(t, err)
		for i, r := range results {
			if i == 0 || i == len(results)-1 {
				require.NoError(t, r.Err)
				continue
			}
			require.Error(t, r.Err, "%v", changes[i].Fields)
			require.NotEqual(t, fault.Internal, fault.CodeOf(r.Err))
			require.ErrorContains(t, r.Err, "reading refused the row: ")
		}
		require.Equal(t, []string{"first", "last"}, ids(pullAll(t, src, source.Pull{Spec: spec, PageSize: 20}).rows))
	})
}

// Two processes push the same records at the same time. No record becomes two rows.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	for _, s := range []server{onPostgres, onPostgresKeys, onMySQL, onMySQLKeys, onSQLite, onSQLiteKeys} {
		t.Run(fmt.Sprintf("%s/keys=%v", s.name, s.keys), func(t *testing.T) {
			t.Parallel()
			p := newReadings(t, s, true, false)
			var changes []source.Change
			for i := range 20 {
				c := source.Change{Op: source.Create, Fields: map[string]any{"name": fmt.Sprint(i)}, Attempt: fmt.Sprint("attempt ", i)}
				if !s.keys {
					c.Key = []any{fmt.Sprint(i)}
				}
				changes = append(changes, c)
			}
			answers := make(chan []source.Result, 4)
			for range cap(answers) {
				src := p.Open(t)
				go func() {
					for range 10 { // a deadlock fails a push; another try succeeds
						if results, err := src.Push(t.Context(), p.spec, changes); err == nil {
							answers <- results
							return
						}
					}
					answers <- nil
				}()
			}
			first := <-answers
			require.NotNil(t, first)
			for range cap(answers) - 1 {
				requireSame(t, changes, first, <-answers)
			}
			require.Len(t, p.names(t), len(changes))
		})
	}
}

// requireSame requires that two pushes of the same changes have the same outcome. A push that
// meets a row reads its key back, and one that makes it may know the key without that.
func requireSame(t *testing.T, changes []source.Change, a, b []source.Result) {
	t.Helper()
	require.Len(t, b, len(a))
	for i, c := range changes {
		for _, r := range []*source.Result{&a[i], &b[i]} {
			require.NoError(t, r.Err)
			if r.Key == nil {
				r.Key = c.Key
			}
		}
		require.Equal(t, a[i], b[i])
	}
}

// names returns the names of all rows, including incomplete ones.
func (p *place) names(t testing.TB) []string {
	t.Helper()
	var out []string
	r, err := p.db.Query("SELECT name FROM reading")
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	for r.Next() {
		var s string
		require.NoError(t, r.Scan(&s))
		out = append(out, s)
	}
	require.NoError(t, r.Err())
	return out
}

func TestKeysOfTheDatabaseHaveToBeAllowed(t *testing.T) {
	t.Parallel()
	p := newReadings(t, onSQLite, true, false)
	results, err := p.Open(t).Push(t.Context(), p.spec, []source.Change{
		{Op: source.Create, Fields: map[string]any{"name": "x"}, Attempt: "a"},
		{Op: source.Update, Fields: map[string]any{"name": "x"}, Changed: []string{"name"}},
		{Op: source.Create, Key: []any{"a", "b"}},
		{Op: "merge", Key: []any{"a"}},
	})
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, fault.Invalid, fault.CodeOf(r.Err))
	}
	require.ErrorContains(t, results[0].Err, "options.generatesKeys")
	require.Empty(t, pullAll(t, p.Open(t), source.Pull{Spec: p.spec, PageSize: 20}).rows)
}

func TestPushedTimesStayInOrder(t *testing.T) {
	t.Parallel()
	for _, s := range []server{onSQLite, onSQLiteISO, onSQLiteMillis} {
		t.Run(s.updated, func(t *testing.T) {
			t.Parallel()
			p := newReadings(t, s, true, false)
			at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
			p.Put(t, sourcetest.Record{ID: "theirs", UpdatedAt: at})
			results, err := p.Open(t).Push(t.Context(), p.spec, []source.Change{{Op: source.Create, Key: []any{"ours"}, Fields: map[string]any{"updated_at": at}}})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			var kinds int
			require.NoError(t, p.db.QueryRow("SELECT count(DISTINCT updated_at) FROM reading").Scan(&kinds))
			require.Equal(t, 1, kinds, "the same time is written in two ways")
		})
	}
}

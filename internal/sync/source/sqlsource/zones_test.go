package sqlsource

import (
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// inZone makes a place whose server has the zone. A database of PostgreSQL has a zone of its
// own; a server of MariaDB has one for all of its databases.
func inZone(t *testing.T, name, zone string) *place {
	t.Helper()
	if name == "mysql" {
		s := onMySQL
		s.env = map[string]string{"Asia/Kolkata": "HEADGATE_MYSQL_URL", "America/New_York": "HEADGATE_MYSQL_WEST_URL"}[zone]
		p := newPlace(t, s)
		var offset int
		require.NoError(t, p.db.QueryRow("SELECT TIMESTAMPDIFF(SECOND, '2026-01-15 12:00:00', CONVERT_TZ('2026-01-15 12:00:00', '+00:00', @@GLOBAL.time_zone))").Scan(&offset))
		location, err := time.LoadLocation(zone)
		require.NoError(t, err)
		if want := source.Offset(location, time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)); time.Duration(offset)*time.Second != want {
			require.Empty(t, os.Getenv("HEADGATE_REQUIRE_DATABASES"), "the server of %s is not in %s", s.env, zone)
			t.Skipf("the server of %s is not in %s: scripts/with-databases starts one that is", s.env, zone)
		}
		return p
	}
	p := newPlace(t, onPostgres)
	schema := p.schema()
	p.exec(t, "CREATE DATABASE "+schema)
	p.exec(t, "ALTER DATABASE "+schema+" SET timezone TO '"+zone+"'")
	t.Cleanup(func() { p.exec(t, "DROP DATABASE "+schema+" WITH (FORCE)") })
	u, err := url.Parse(p.url)
	require.NoError(t, err)
	u.Path = "/" + schema
	inside := &place{server: p.server, engine: p.engine, url: u.String(), options: map[string]any{}}
	inside.connectWith(t, "pgx", inside.url)
	return inside
}

// everyZone runs a test with servers on both sides of UTC.
func everyZone(t *testing.T, test func(t *testing.T, p *place, zone *time.Location)) {
	t.Helper()
	for _, name := range []string{"postgres", "mysql"} {
		for _, zone := range []string{"America/New_York", "Asia/Kolkata"} {
			t.Run(name+" "+zone, func(t *testing.T) {
				t.Parallel()
				location, err := time.LoadLocation(zone)
				require.NoError(t, err)
				test(t, inZone(t, name, zone), location)
			})
		}
	}
}

// other runs a statement as another program does: in the server's own zone.
func (p *place) other(t *testing.T, query string, args ...any) {
	t.Helper()
	if p.server.name != "mysql" {
		p.exec(t, query, args...)
		return
	}
	c, err := p.db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	for _, q := range []string{"SET time_zone = @@GLOBAL.time_zone", query, "SET time_zone = '+00:00'"} {
		if q == query {
			_, err = c.ExecContext(t.Context(), q, args...)
		} else {
			_, err = c.ExecContext(t.Context(), q)
		}
		require.NoError(t, err, q)
	}
}

// stamped makes a table whose updated_at the database itself sets.
func stamped(t *testing.T, p *place, typ string) {
	t.Helper()
	if p.server.name == "mysql" {
		p.exec(t, "CREATE TABLE reading (id varchar(20) PRIMARY KEY, name varchar(20), updated_at "+typ+
			" NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))")
		return
	}
	p.exec(t, "CREATE TABLE reading (id text PRIMARY KEY, name text, updated_at "+typ+" NOT NULL DEFAULT now())")
	p.exec(t, `CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$`)
	p.exec(t, "CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON reading FOR EACH ROW EXECUTE FUNCTION stamp()")
}

// A database that stamps rows itself stamps those of a push as those of other programs. So
// no cursor runs ahead of the others' rows, and none stays hours behind.
func TestOneClockForAllWriters(t *testing.T) {
	t.Parallel()
	everyZone(t, func(t *testing.T, p *place, zone *time.Location) {
		for _, typ := range map[string][]string{"postgres": {"timestamp", "timestamptz"}, "mysql": {"datetime(6)", "timestamp(6)"}}[p.server.name] {
			p.exec(t, "DROP TABLE IF EXISTS reading")
			p.exec(t, map[string]string{"postgres": "DROP FUNCTION IF EXISTS stamp", "mysql": "DO 0"}[p.server.name])
			stamped(t, p, typ)
			spec := source.Spec{Datatype: "reading", Key: []string{"id"}, CursorTime: "updated_at"}
			src := p.Open(t)
			p.other(t, "INSERT INTO reading (id, name) VALUES ('theirs', 'x'), ('ours', 'x')")
			results, err := src.Push(t.Context(), spec, []source.Change{{
				Op: source.Update, Key: []any{"ours"}, Changed: []string{"name"}, Fields: map[string]any{"name": "y"}, Expect: map[string]any{"name": "x"},
			}})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			first := pullAll(t, src, source.Pull{Spec: spec, PageSize: 10})
			require.ElementsMatch(t, []string{"theirs", "ours"}, ids(first.rows))
			for _, row := range first.rows {
				require.WithinDuration(t, time.Now(), source.InZone(row["updated_at"].(time.Time), zone), time.Minute, "%s of %s", typ, row["id"])
			}
			require.WithinDuration(t, time.Now(), first.last.Cursor.Time, time.Hour+time.Minute, "the cursor is an instant")
			require.False(t, first.last.Cursor.Time.After(time.Now().Add(time.Minute)))

			p.other(t, "UPDATE reading SET name = 'z' WHERE id = 'theirs'")
			second := pullAll(t, src, source.Pull{Spec: spec, PageSize: 10, Cursor: first.last.Cursor})
			require.Contains(t, ids(second.rows), "theirs", "%s: what others changed after our push", typ)

			// Rows from long before the cursor do not come again.
			p.exec(t, map[string]string{"postgres": "ALTER TABLE reading DISABLE TRIGGER stamp", "mysql": "DO 0"}[p.server.name])
			p.exec(t, "UPDATE reading SET updated_at = '2026-01-02 10:00:00' WHERE id = 'theirs'")
			require.NotContains(t, ids(pullAll(t, src, source.Pull{Spec: spec, PageSize: 10, Cursor: second.last.Cursor}).rows), "theirs")
		}
	})
}

// A soft deletion is stamped by the database's clock, and a pull reads a stamp as the instant.
func TestInstantsInEveryZone(t *testing.T) {
	t.Parallel()
	everyZone(t, func(t *testing.T, p *place, zone *time.Location) {
		instant, local := "timestamptz", "timestamp"
		if p.server.name == "mysql" {
			instant, local = "timestamp(6) NULL", "datetime(6)"
		}
		p.exec(t, "CREATE TABLE reading (id varchar(20) PRIMARY KEY, at "+instant+", gone "+local+")")
		src := p.Open(t)
		spec := source.Spec{Datatype: "reading", Key: []string{"id"}, Deleted: "gone"}
		// The clocks of New York show this hour twice.
		for i, at := range []string{"2026-11-01T05:30:00.123456Z", "2026-11-01T06:30:00.123456Z", "2026-07-01T12:00:00Z", "2026-03-08T07:30:00Z"} {
			fields := map[string]any{"at": at}
			key := []any{fmt.Sprint("r", i)}
			results, err := src.Push(t.Context(), spec, []source.Change{{Op: source.Create, Key: key, Fields: fields}})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			results, err = src.Push(t.Context(), spec, []source.Change{{Op: source.Update, Key: key, Fields: fields, Changed: []string{"at"}, Expect: fields}})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			rows := pullAll(t, src, source.Pull{Spec: spec, PageSize: 10}).rows
			got, _ := rows[i]["at"].(time.Time)
			require.Equal(t, at, got.UTC().Format(time.RFC3339Nano))
		}
		results, err := src.Push(t.Context(), spec, []source.Change{{Op: source.Delete, Key: []any{"r0"}}})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		gone := pullAll(t, src, source.Pull{Spec: spec, PageSize: 10}).rows[0]["gone"].(time.Time)
		require.WithinDuration(t, time.Now(), source.InZone(gone, zone), time.Minute)
	})
}

// A pull loses no row when the clocks go back: rows that are written afterwards have times
// from before.
func TestClocksGoBack(t *testing.T) {
	t.Parallel()
	york, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	back := time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC)
	for name, c := range map[string]clocks{
		"zone":    {zone: york},
		"offsets": {now: -4 * time.Hour, min: -5 * time.Hour, max: -4 * time.Hour},
	} {
		for before := time.Duration(0); before < 3*time.Hour; before += 7 * time.Minute {
			last := back.Add(-before)
			cursor := c.instant(source.WithoutZone(last.Add(source.Offset(york, last))))
			for after := time.Duration(0); after < 3*time.Hour; after += 7 * time.Minute {
				later := back.Add(after)
				stamp := source.WithoutZone(later.Add(source.Offset(york, later)))
				require.False(t, stamp.Before(c.earliest(cursor)), "%s: %s after %s", name, later, last)
			}
		}
	}
}

// A time goes into a column without zones by the clock of its field's zone, and a date stays
// a date. What was pulled is what a push expects.
func TestZonesOfColumns(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, s server) {
		for _, name := range []string{"Asia/Kolkata", "America/New_York"} {
			zone, err := time.LoadLocation(name)
			require.NoError(t, err)
			p := newPlace(t, s)
			local := "timestamp"
			if s.name == "mysql" {
				local = "datetime"
			}
			p.exec(t, "CREATE TABLE reading (id varchar(20) PRIMARY KEY, at "+local+", day date)")
			p.exec(t, "INSERT INTO reading VALUES ('a', '2026-01-02 10:00:00', '2026-02-28')")
			spec := source.Spec{Datatype: "reading", Key: []string{"id"}, Zones: map[string]*time.Location{"at": zone, "day": zone}}
			src := p.Open(t)
			row := pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows[0]
			require.Equal(t, "2026-02-28", row["day"])
			at := source.InZone(row["at"].(time.Time), zone)
			require.Equal(t, time.Date(2026, 1, 2, 10, 0, 0, 0, zone).UTC(), at)

			was := map[string]any{"at": at.Format(time.RFC3339Nano), "day": "2026-02-28T00:00:00Z"} // as the record has them
			now := map[string]any{"at": at.Add(time.Hour).Format(time.RFC3339Nano), "day": "2026-03-01T00:00:00Z"}
			results, err := src.Push(t.Context(), spec, []source.Change{
				{Op: source.Update, Key: []any{"a"}, Fields: now, Changed: []string{"at", "day"}, Expect: was},
				{Op: source.Create, Key: []any{"b"}, Fields: map[string]any{"id": "b", "at": now["at"], "day": now["day"]}},
			})
			require.NoError(t, err)
			for i, row := range pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows {
				require.NoError(t, results[i].Err)
				require.Equal(t, "2026-03-01", row["day"])
				require.Equal(t, "2026-01-02 11:00:00", row["at"].(time.Time).Format(time.DateTime))
			}
		}
	})
}

// The key of a new row is the clock of its zone, as pulls return it.
func TestKeysInAZone(t *testing.T) {
	t.Parallel()
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	require.NoError(t, err)
	everywhere(t, func(t *testing.T, s server) {
		p := newPlace(t, s)
		local := "timestamp"
		if s.name == "mysql" {
			local = "datetime"
		}
		p.exec(t, "CREATE TABLE reading (at "+local+" PRIMARY KEY, name varchar(20))")
		spec := source.Spec{Datatype: "reading", Key: []string{"at"}, Zones: map[string]*time.Location{"at": kolkata}}
		src := p.Open(t)
		create := source.Change{Op: source.Create, Key: []any{"2026-01-02T04:30:00Z"}, Fields: map[string]any{"at": "2026-01-02T04:30:00Z", "name": "x"}}
		for range 2 { // the second time the row exists
			results, err := src.Push(t.Context(), spec, []source.Change{create})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			rows := pullAll(t, src, source.Pull{Spec: spec, PageSize: 5}).rows
			require.Len(t, rows, 1)
			require.Equal(t, []any{rows[0]["at"]}, results[0].Key)
			require.Equal(t, "2026-01-02 10:00:00", rows[0]["at"].(time.Time).Format(time.DateTime))
		}
	})
}

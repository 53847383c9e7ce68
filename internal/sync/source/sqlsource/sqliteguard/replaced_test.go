package sqliteguard

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"
)

// A replacement returns the same as SQLite's own function for any arguments.
func TestReplacementsAreSQLitesFunctions(t *testing.T) {
	t.Parallel()
	db := opened(t)
	plain, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer func() { _ = plain.Close() }()
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{
		"a", "A", "b", "aa", "ab", "é", "É", "€", "😀", "%", "_", "*", "?", "[", "]", "^", "-", "[a-c]", "[^a]", "[]a]", "%a", "*a", "*[ab]", "_a", `\`, `\%`, `\_`,
		"4", "1F", "6g", " ", "\x00", "\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xff", "\xf0\x9f", "z",
	}
	value := func() any {
		if random.IntN(30) == 0 {
			return []any{nil, 12, 1.5, -7}[random.IntN(4)]
		}
		var s strings.Builder
		for range random.IntN(7) {
			s.WriteString(parts[random.IntN(len(parts))])
		}
		if random.IntN(5) == 0 {
			return []byte(s.String())
		}
		return s.String()
	}
	for _, f := range []struct {
		call string
		args int
	}{
		{"instr(?,?)", 2}, {"replace(?,?,?)", 3}, {"trim(?,?)", 2}, {"ltrim(?,?)", 2}, {"rtrim(?,?)", 2}, {"unhex(?,?)", 2},
		{"? LIKE ?", 2}, {"? GLOB ?", 2}, {`? LIKE ? ESCAPE '\'`, 2}, {"? LIKE ? ESCAPE '%'", 2}, {"? LIKE ? ESCAPE '_'", 2}, {"like(?,?,?)", 3}, {"glob(?,?)", 2},
	} {
		query := "SELECT typeof(v), hex(v), v IS NULL FROM (SELECT " + f.call + " AS v)"
		ours, err := db.Prepare(query)
		require.NoError(t, err)
		theirs, err := plain.Prepare(query)
		require.NoError(t, err)
		for range 10_000 {
			args := make([]any, f.args)
			for i := range args {
				args[i] = value()
			}
			answer := func(s *sql.Stmt) string {
				var kind, digits string
				var null bool
				err := s.QueryRow(args...).Scan(&kind, &digits, &null)
				return fmt.Sprint(kind, digits, null, err)
			}
			require.Equal(t, answer(theirs), answer(ours), "%s of %q", f.call, args)
		}
		require.NoError(t, ours.Close())
		require.NoError(t, theirs.Close())
	}
}

// endless returns expressions that occupy a core for minutes to days. None takes more
// memory than it may or returns a long value.
//
// One call at the limit of 8 MiB took, on one of two busy cores: length 50 ms, substr
// 50, =, NOCASE and RTRIM 15 to 25, upper 70, hex 40, unhex 60, quote 100, soundex 40,
// CAST 30, trim of one character 80, randomblob 400, printf 430, strftime 1,700, date
// 120, json_valid 700 (1,400 of deep text), json_extract 100 a path, json_remove 800 of
// 900 paths, json_pretty 800, concat 20, unistr 50, min and max 25 an argument. All of them
// are linear or fail for lack of memory. So it suffices to bound the number of
// instructions between two checks and the number of arguments.
//
// The others are not linear: instr (2 h), replace (2 h), trim with a set (days), unhex with
// a set (days), LIKE and GLOB (26 ms for each character of the pattern), json_patch (600 ms
// for 60 KB, growing with the square) and the geopoly functions.
func endless() map[string]string {
	calls := func(n int, call string) string {
		return strings.TrimSuffix(strings.Repeat("ifnull("+call+",0)+", n), "+")
	}
	long := "(SELECT hex(zeroblob(4000000)) AS v, hex(zeroblob(1000000)) AS h)"
	series := "(WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 1e9) SELECT i FROM s)"
	return map[string]string{
		"instr":      "SELECT instr(zeroblob(8000000), zeroblob(4000000)||x'01')",
		"instr text": "SELECT instr(hex(zeroblob(4000000)), hex(zeroblob(2000000))||'1')",
		"replace":    "SELECT length(replace(hex(zeroblob(3500000)), hex(zeroblob(1700000))||'1', ''))",
		"trim":       "SELECT length(trim(hex(zeroblob(4000000)), replace(hex(zeroblob(3000000)), '0', '1')||'0'))",
		"ltrim":      "SELECT length(ltrim(hex(zeroblob(4000000)), replace(hex(zeroblob(3000000)), '0', '1')||'0'))",
		"rtrim":      "SELECT length(rtrim(hex(zeroblob(4000000)), replace(hex(zeroblob(3000000)), '0', '1')||'0'))",
		"unhex":      "SELECT unhex(replace(hex(zeroblob(4000000)), '0', '-'), replace(hex(zeroblob(3000000)), '0', '+')||'-')",
		"like":       "SELECT hex(zeroblob(4000000)) LIKE '%'||hex(zeroblob(24000))||'1'",
		"like wild":  "SELECT hex(zeroblob(4000000)) LIKE '%'||replace(hex(zeroblob(12000)), '0', '_0')||'1'",
		"glob":       "SELECT hex(zeroblob(4000000)) GLOB '*'||hex(zeroblob(24000))||'1'",
		"glob set":   "SELECT hex(zeroblob(4000000)) GLOB '*'||replace(hex(zeroblob(5000)), '0', '[0]')||'1'",
		"rows":       "SELECT sum(length(printf('%s', h))) FROM " + series + ", " + long,
		"memory":     "SELECT sum(length(randomblob(8000000))) FROM " + series,
		"straight":   "SELECT " + calls(120, "length(upper(v))") + " FROM " + long + ", " + series,
		"count":      "SELECT count(*) FROM " + series,
		"sort":       "SELECT sum(i) FROM (SELECT i FROM " + series + " ORDER BY i % 1000 LIMIT 5)",
	}
}

// A statement ends soon after its context, at any point of its execution.
func TestAttackStatementsEnd(t *testing.T) {
	t.Parallel()
	db := openedWith(t, 8<<20)
	for name, query := range endless() {
		t.Run(name, func(t *testing.T) {
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done, err := Read(ctx, conn, 8<<20, false)
			require.NoError(t, err)
			ended := make(chan error, 1)
			go func() { // without the context, so that the driver does not interrupt it
				var v any
				ended <- conn.QueryRowContext(context.Background(), query).Scan(&v)
			}()
			select {
			case err := <-ended:
				require.Fail(t, "it ended by itself", "%v", err)
			case <-time.After(300 * time.Millisecond): // the statement is running by now
			}
			cancel()
			select {
			case err := <-ended:
				require.Error(t, err)
			case <-time.After(2 * time.Minute):
				require.Fail(t, "it does not end")
			}
			require.NoError(t, done())
		})
	}
}

// A function that takes long and cannot be stopped is refused.
func TestAttackEndlessFunctionsAreRefused(t *testing.T) {
	t.Parallel()
	db := openedWith(t, 8<<20)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	done, err := Read(t.Context(), conn, 8<<20, false)
	require.NoError(t, err)
	for query, want := range map[string]string{
		"SELECT json_patch('{}', '{}')":                              "not authorized",
		"SELECT jsonb_patch('{}', '{}')":                             "not authorized",
		"SELECT geopoly_overlap('[]', '[]')":                         "not authorized",
		"SELECT rtreecheck('x')":                                     "not authorized",
		"SELECT max(1" + strings.Repeat(",1", 127) + ")":             "too many arguments",
		"SELECT 1" + strings.Repeat(", length(?1)=length(?1)", 1900): "out of memory",
	} {
		var v any
		require.ErrorContains(t, conn.QueryRowContext(t.Context(), query).Scan(&v), want, query[:20])
	}
	require.NoError(t, done())
}

// known lists all functions of SQLite that a definition's query may call. Before you add
// one, measure how long one call takes with values of 8 MiB.
const known = `-> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling changes char coalesce concat concat_ws cos cosh count cume_dist
current_date current_time current_timestamp date datetime degrees dense_rank exp first_value floor format fts5 fts5_get_locale fts5_insttoken fts5_locale
fts5_source_id glob group_concat hex highlight if ifnull iif instr json json_array json_array_insert json_array_length json_error_position json_extract
json_group_array json_group_object json_insert json_object json_pretty json_quote json_remove json_replace json_set json_type json_valid jsonb jsonb_array
jsonb_array_insert jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_remove jsonb_replace jsonb_set julianday lag
last_insert_rowid last_value lead length like likelihood likely ln log log10 log2 lower ltrim match max min mod nth_value ntile nullif octet_length
percent_rank pi pow power printf quote radians random randomblob rank replace round row_number rtrim sign sin sinh snippet soundex
sqlite_compileoption_get sqlite_compileoption_used sqlite_offset sqlite_source_id sqlite_version sqrt strftime string_agg substr substring subtype sum tan
tanh time timediff total total_changes trim trunc typeof unhex unicode unistr unistr_quote unixepoch unlikely upper zeroblob`

func TestEveryFunctionIsKnown(t *testing.T) {
	t.Parallel()
	plain, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer func() { _ = plain.Close() }()
	rows, err := plain.Query("SELECT DISTINCT name FROM pragma_function_list ORDER BY 1")
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	var allowed []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		if (&guard{}).allows(sqlite3.SQLITE_FUNCTION, "", name) {
			allowed = append(allowed, name)
		}
	}
	require.NoError(t, rows.Err())
	require.ElementsMatch(t, strings.Fields(known), allowed)
}

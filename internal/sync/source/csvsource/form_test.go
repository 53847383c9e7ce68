package csvsource

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// A push keeps every byte that it does not have to change, and writes new rows in the form
// of the others.
func TestAPushKeepsWhatItDoesNotChange(t *testing.T) {
	t.Parallel()
	update := source.Change{Op: source.Update, Key: []any{"1"}, Fields: map[string]any{"name": "ö"}, Changed: []string{"name"}, Expect: map[string]any{"name": "x"}}
	remove := source.Change{Op: source.Delete, Key: []any{"3"}}
	wider := source.Change{Op: source.Create, Key: []any{"2"}, Fields: map[string]any{"id": "2", "name": "für", "note": "n"}}
	for name, c := range map[string]struct{ options, before, after, wider string }{
		"LF": {"{}", "id,name\n1,x\n3,z\n", "id,name\n1,ö\n2,für\n", "id,name,note\n1,x,\n3,z,\n2,für,n\n"},
		"CRLF": {"{}", "id,name\r\n1,x\r\n3,z\r\n4,\"a\nb\"\r\n", "id,name\r\n1,ö\r\n4,\"a\nb\"\r\n2,für\r\n",
			"id,name,note\r\n1,x,\r\n3,z,\r\n4,\"a\nb\",\r\n2,für,n\r\n"},
		"CR":               {"{}", "id,name\r1,x\r3,z\r", "id,name\r1,ö\r2,für\r", "id,name,note\r1,x,\r3,z,\r2,für,n\r"},
		"no last line end": {"{}", "id,name\r\n1,x\r\n3,z", "id,name\r\n1,ö\r\n2,für\r\n", "id,name,note\r\n1,x,\r\n3,z,\r\n2,für,n\r\n"},
		"all quoted": {"{}", "\"id\",\"name\"\n\"1\",\"x\"\n\"3\",\"z\"\n", "\"id\",\"name\"\n\"1\",\"ö\"\n\"2\",\"für\"\n",
			"\"id\",\"name\",\"note\"\n\"1\",\"x\",\"\"\n\"3\",\"z\",\"\"\n\"2\",\"für\",\"n\"\n"},
		"text quoted": {"{}", "id;name\n1;\"x\"\n3;\"z\"\n", "id;name\n1;\"ö\"\n2;\"für\"\n", "id;name;note\n1;\"x\";\n3;\"z\";\n2;\"für\";n\n"},
		"needless quotes": {"{}", "id,name\n1,x\n\"3\",z\n\"4\",\"a\"\n", "id,name\n1,ö\n\"4\",\"a\"\n2,für\n",
			"id,name,note\n1,x,\n\"3\",z,\n\"4\",\"a\",\n2,für,n\n"},
		"trailing delimiter": {"{}", "id;name;\n1;x;\n3;z;\n4;y;\n", "id;name;\n1;ö;\n4;y;\n2;für;\n", "id;name;note;\n1;x;;\n3;z;;\n4;y;;\n2;für;n;\n"},
		"sep= line":          {"{}", "sep=|\r\nid|name\r\n1|x\r\n3|z\r\n", "sep=|\r\nid|name\r\n1|ö\r\n2|für\r\n", "sep=|\r\nid|name|note\r\n1|x|\r\n3|z|\r\n2|für|n\r\n"},
		"comments": {`{"comment": "#"}`, "# a, \"b\n\nid,name\n#,\"c\n1,x\n3,z\n#end", "# a, \"b\n\nid,name\n#,\"c\n1,ö\n#end\n2,für\n",
			"# a, \"b\n\nid,name,note\n#,\"c\n1,x,\n3,z,\n#end\n2,für,n\n"},
		"blank lines": {"{}", "\n;;\nid;name\n;\n1;x\n \n3;z\n\n", "\n;;\nid;name\n;\n1;ö\n \n\n2;für\n", "\n;;\nid;name;note\n;\n1;x;\n \n3;z;\n\n2;für;n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, rejects, err := readFile(t, c.before, c.options, 10)
			require.NoError(t, err)
			require.Empty(t, rejects)
			require.Equal(t, map[string]any{"id": "1", "name": "x", "#": rows[0]["#"]}, rows[0])
			dir := root(t, map[string]string{"f.csv": c.before})
			results, now, err := pushRows(t, dir, c.options, update, remove, second)
			require.NoError(t, err)
			for _, r := range results {
				require.NoError(t, r.Err)
			}
			require.Equal(t, c.after, now)
			rows, rejects, err = readFile(t, now, c.options, 10)
			require.NoError(t, err)
			require.Empty(t, rejects)
			require.Equal(t, "für", rows[len(rows)-1]["name"])

			_, now, err = pushRows(t, root(t, map[string]string{"f.csv": c.before}), c.options, wider)
			require.NoError(t, err)
			require.Equal(t, c.wider, now)
		})
	}
}

// Lines without values are no rows and no rejects, so they neither fail a run nor keep
// "missing" from its work. The lines after them keep their numbers.
func TestLinesWithoutValues(t *testing.T) {
	t.Parallel()
	rows, rejects, err := readFile(t, "  \n\nid;name\n;\n1;x\n ; \t\n\t\n2;\n;;;\n\"\";\"\"\n\r\n", "{}", 2)
	require.NoError(t, err)
	require.Empty(t, rejects)
	require.Equal(t, []map[string]any{{"id": "1", "name": "x", "#": int64(5)}, {"id": "2", "name": "", "#": int64(8)}, {"id": "", "name": "", "#": int64(10)}}, rows)
}

// With the option null, NULL and an empty text stay apart in both directions.
func TestNull(t *testing.T) {
	t.Parallel()
	for _, null := range []string{"", "NULL", `\N`} {
		t.Run(null, func(t *testing.T) {
			t.Parallel()
			opts := fmt.Sprintf(`{"null": %q}`, null)
			values := []any{nil, "", null, "x", `"` + null + `"`}
			var changes []source.Change
			for i, v := range values {
				id := fmt.Sprint(i)
				changes = append(changes, source.Change{Op: source.Create, Key: []any{id}, Fields: map[string]any{"id": id, "name": v}})
			}
			changes = append(changes, source.Change{Op: source.Create, Key: []any{"9"}, Fields: map[string]any{"id": "9"}}) // without the field
			dir := root(t, map[string]string{"f.csv": "id,name\n"})
			_, now, err := pushRows(t, dir, opts, changes...)
			require.NoError(t, err)
			require.Contains(t, now, "\n0,"+null+"\n")
			rows, _, err := readFile(t, now, opts, 10)
			require.NoError(t, err)
			require.Len(t, rows, 6)
			for i, v := range append(values, nil) {
				require.Equal(t, v, rows[i]["name"], now)
			}
			// The text for NULL is expected where NULL was read, and not where a text was.
			set := func(id string, was any) source.Change {
				return source.Change{Op: source.Update, Key: []any{id}, Fields: map[string]any{"name": "new"}, Changed: []string{"name"}, Expect: map[string]any{"name": was}}
			}
			results, now, err := pushRows(t, dir, opts, set("0", nil), set("1", nil), set("2", null),
				source.Change{Op: source.Update, Key: []any{"3"}, Fields: map[string]any{}, Changed: []string{"name"}, Expect: map[string]any{"name": "x"}})
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			require.ErrorIs(t, results[1].Err, source.ErrMoved)
			require.NoError(t, results[2].Err)
			rows, _, err = readFile(t, now, opts, 10)
			require.NoError(t, err)
			require.Equal(t, []any{"new", "", "new", nil}, []any{rows[0]["name"], rows[1]["name"], rows[2]["name"], rows[3]["name"]})
		})
	}
}

func TestWrongCommentAndNull(t *testing.T) {
	t.Parallel()
	for _, opts := range []string{`{"comment": "//"}`, `{"comment": "\""}`, `{"comment": ";", "delimiter": ";"}`, `{"null": "a\"b"}`, `{"null": "a;b", "delimiter": ";"}`} {
		faults := check(source.Datasource{FileURL: "f.csv", Options: []byte(opts)})
		require.Len(t, faults, 1, opts)
	}
}

// Any texts are read back as they were pushed, in files of any form.
func FuzzPush(f *testing.F) {
	f.Add("a\r\nb", " x", "\"", uint8(0))
	f.Add("#c", ";", "NULL", uint8(7))
	f.Fuzz(func(t *testing.T, a, b, c string, form uint8) {
		opts := []string{"{}", `{"comment": "#"}`, `{"null": "NULL"}`, `{"null": ""}`}[form%4]
		end := []string{"\n", "\r\n", "\r"}[form/4%3]
		head := []string{"id;a;b", `"id";"a";"b"`, "id;a;b;"}[form/12%3]
		for _, text := range []string{a, b, c} {
			if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
				t.Skip()
			}
		}
		dir := root(t, map[string]string{"f.csv": head + end})
		change := func(id, a, b string) source.Change {
			return source.Change{Op: source.Create, Key: []any{id}, Fields: map[string]any{"id": id, "a": a, "b": b}}
		}
		results, _, err := pushRows(t, dir, opts, change("#1", a, b), change("2", c, a))
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		again := change("2", b, c)
		again.Op, again.Changed = source.Update, []string{"a", "b"}
		results, now, err := pushRows(t, dir, opts, again)
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		rows, rejects, err := readFile(t, now, opts, 10)
		require.NoError(t, err)
		require.Empty(t, rejects)
		require.Len(t, rows, 2)
		for i, want := range [][]string{{"#1", a, b}, {"2", b, c}} {
			require.Equal(t, want, []string{rows[i]["id"].(string), rows[i]["a"].(string), rows[i]["b"].(string)}, "%q", now)
		}
	})
}

package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Without --yes the command shows a plan and stores nothing, on a store and at a server.
func TestRelinkShowsItsPlanFirst(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(t *testing.T, env map[string]string, data string) []string{
		"store": func(_ *testing.T, _ map[string]string, data string) []string { return []string{"--data", data} },
		"url": func(t *testing.T, env map[string]string, data string) []string {
			base, _ := serving(t, env, "--data", data)
			return []string{"--url", base}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			env := map[string]string{"CONFIG": configOf(dir, "")}
			flags := place(t, env, filepath.Join(dir, "data"))
			do := func(want int, args ...string) string {
				t.Helper()
				status, stdout, stderr := headgate(t, env, append(append([]string{"sync"}, args...), flags...)...)
				require.Equal(t, want, status, "%q: %s%s", args, stdout, stderr)
				return stdout + notices(stderr)
			}
			file := csvSync(t, dir, "wells", false)
			rows := filepath.Join(dir, "wells.csv")
			require.NoError(t, os.WriteFile(rows, []byte("well,code,value\nw1,c1,1\nw2,c2,2\nw3,c3,3\n"), 0o600))
			do(0, "run", file)
			require.Contains(t, do(1, "relink", "wells"), "there is nothing to link anew")
			require.Contains(t, do(1, "relink", "none"), `no sync "none"`)
			require.Contains(t, do(2, "relink", "wells", "--yes", "--dry-run"), "--dry-run and --yes exclude each other")

			def, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(def), `"key":["well"]`, `"key":["code"]`, 1)), 0o600))
			require.NoError(t, os.WriteFile(rows, []byte("well,code,value\nw1,c1,1\nw2,c2,2\nw4,c4,4\n"), 0o600))
			do(0, "apply", file)
			const plan = "reading: 3 rows, by the key code instead of well\n  2 records with a row\n" +
				"  1 row without a record: the next pull makes one of each, such as of \"c4\"\n" +
				"  1 record without a row: a push makes a row of each, such as of \"w3\"\n"
			for _, args := range [][]string{{"relink", "wells"}, {"relink", "wells", "--dry-run"}} {
				require.Equal(t, plan+"nothing is stored yet: --yes links the records anew\n", do(0, args...))
			}
			require.Contains(t, do(1, "run", "wells"), "relink the sync")
			var shown struct{ Stored bool }
			require.NoError(t, json.Unmarshal([]byte(do(0, "relink", "wells", "--json")), &shown))
			require.False(t, shown.Stored)
			require.Equal(t, plan+"the records are linked anew\n", do(0, "relink", "wells", "--yes"))
			require.Contains(t, do(0, "run", "wells"), "finished")
			require.Contains(t, do(1, "relink", "wells", "--yes"), "there is nothing to link anew")
		})
	}
}

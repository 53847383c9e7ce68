package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var runLine = regexp.MustCompile(`(?m)^[0-9A-Za-z_-]+ (finished|partial) in \S+$`)

// progressLine matches the progress that a slow machine prints during a run.
var progressLine = regexp.MustCompile(`(?m)^(pending|running|(pull|push) .* rows .*)\n`)

// notices returns standard error without progress.
func notices(stderr string) string { return progressLine.ReplaceAllString(stderr, "") }

// withoutRuns replaces what differs from run to run.
func withoutRuns(out string) string {
	return runLine.ReplaceAllString(out, "RUN $1 in TIME")
}

// The commands do and print the same on a store, at a URL, and on a store that a
// server has open.
func TestSyncCommandsAtEveryPlace(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(t *testing.T, dir string, env map[string]string) (flags []string, notice string){
		"store": func(_ *testing.T, dir string, _ map[string]string) ([]string, string) {
			return []string{"--data", filepath.Join(dir, "data")}, ""
		},
		"url": func(t *testing.T, dir string, env map[string]string) ([]string, string) {
			base, _ := serving(t, env, "--data", filepath.Join(dir, "data"))
			return []string{"--url", base}, ""
		},
		"variable": func(t *testing.T, dir string, env map[string]string) ([]string, string) {
			base, _ := serving(t, env, "--data", filepath.Join(dir, "data"))
			env["HEADGATE_URL"] = base + "/"
			return nil, ""
		},
		"served store": func(t *testing.T, dir string, env map[string]string) ([]string, string) {
			data := filepath.Join(dir, "data")
			base, _ := serving(t, env, "--data", data)
			env["HEADGATE_URL"] = "http://127.0.0.1:1" // the flag wins
			return []string{"--data", data}, fmt.Sprintf("process %d at %s has the store in %s open: using that process, with its configuration\n", os.Getpid(), base, data)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			env := map[string]string{"CONFIG": configOf(dir, "")}
			flags, notice := place(t, dir, env)
			do := func(want int, args ...string) (stdout, stderr string) {
				t.Helper()
				status, stdout, stderr := headgate(t, env, append(append([]string{"sync"}, args...), flags...)...)
				require.Equal(t, want, status, "%q: %s%s", args, stdout, stderr)
				return withoutRuns(stdout), notices(strings.Replace(stderr, notice, "", 1))
			}
			good, bad := csvSync(t, dir, "good", false), csvSync(t, dir, "bad", true)

			out, errs := do(0, "apply", good, bad)
			require.Equal(t, "good created\nbad created\n", out)
			require.Empty(t, errs)
			out, _ = do(0, "apply", good)
			require.Equal(t, "good unchanged\n", out)
			def, err := os.ReadFile(good)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(good, []byte(strings.Replace(string(def), `"type":"pull"`, `"type":"pull","frequency":"daily"`, 1)), 0o600))
			out, _ = do(0, "apply", good, "--json")
			require.JSONEq(t, `[{"id":"good","result":"changed","changes":[{"field":"frequency","new":"daily"}]}]`, out)
			out, _ = do(0, "list")
			require.Equal(t, "id    organisation  type  data source  frequency  owner\nbad   acme          pull  csv                     \ngood  acme          pull  csv          daily      \n", out)

			out, _ = do(0, "run", "good", "--validate")
			require.Contains(t, out, "would create reading w1 value: nothing → 1.5\n")
			out, errs = do(0, "run", "good")
			require.Equal(t, "  phase     type  read  created  updated  deleted  unchanged  rejected  conflicts\n"+
				"   pull  reading     3        3        0        0          0         0          0\nRUN finished in TIME\n", out)
			require.Empty(t, errs)
			out, _ = do(3, "run", bad)
			require.Contains(t, out, "1 rejected: headgate sync rejects bad"+hint(flags)+"\n")
			out, _ = do(0, "run", good, "--json", "--method", "pull")
			var run struct {
				State  string
				SyncID string
				Counts struct{ Read, Unchanged int }
			}
			require.NoError(t, json.Unmarshal([]byte(out), &run))
			require.Equal(t, "good finished 3", fmt.Sprint(run.SyncID, " ", run.State, " ", run.Counts.Read))

			out, _ = do(0, "runs", "bad")
			require.Contains(t, out, "pull    partial  3     0        0        0        1")
			out, _ = do(0, "rejects", "bad")
			require.Contains(t, out, "pull   reading  4     w3   value")
			out, _ = do(0, "rejects", "good", "--json")
			require.JSONEq(t, `[]`, out)

			out, _ = do(0, "delete", "good")
			require.Equal(t, "good deleted\n", out)
			for _, args := range [][]string{{"run", "good"}, {"runs", "good"}, {"delete", "good"}} {
				out, errs = do(1, args...)
				require.Empty(t, out)
				require.Equal(t, "headgate: no sync \"good\"\n", errs)
			}
			_, errs = do(1, "run", "bad", "--method", "push")
			require.Equal(t, "headgate: method push: the sync is of type pull\n", errs)
			broken := filepath.Join(dir, "broken.json")
			require.NoError(t, os.WriteFile(broken, []byte(`{"orgId":"acme","type":"sideways"}`), 0o600))
			_, errs = do(1, "apply", broken)
			require.Contains(t, errs, "broken.json: the sync is not valid: ")
			require.Contains(t, errs, `"sideways" is none of pull, push, both`)
		})
	}
}

func hint(flags []string) string {
	if len(flags) == 0 {
		return ""
	}
	return " " + strings.Join(flags, " ")
}

// A command that only reads, or is misspelt, makes no store.
func TestNoStoreIsMade(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		`0 id  organisation  type  data source  frequency  owner|there is no store in DATA`: {"sync", "list"},
		`0 []|`: {"sync", "list", "--json"},
		`1 |headgate: no sync "x": there is no store in DATA`: {"sync", "run", "x"},
		`1 |headgate: no sync "y": there is no store in DATA`: {"sync", "runs", "y"},
		`1 |headgate: no sync "z": there is no store in DATA`: {"sync", "rejects", "z"},
		`1 |headgate: no sync "a": there is no store in DATA`: {"sync", "delete", "a"},
		`1 |headgate: no sync "b": there is no store in DATA`: {"sync", "relink", "b"},
		`1 |headgate: open none.json: no such file`:           {"sync", "run", "none.json"},
		`1 |headgate: open nil.json: no such file`:            {"sync", "apply", "nil.json"},
		`2 |headgate: no command "typo"`:                      {"sync", "typo"},
	} {
		data := filepath.Join(t.TempDir(), "data")
		status, stdout, stderr := headgate(t, nil, append(args, "--data", data)...)
		got := fmt.Sprint(status, " ", strings.TrimSpace(stdout), "|", strings.ReplaceAll(stderr, data, "DATA"))
		require.True(t, strings.HasPrefix(got, want), "%q: %s", args, got)
		require.NoDirExists(t, data)
	}
}

// A command that only reads changes no byte of the store.
func TestReadingCommandsChangeNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	env := map[string]string{"CONFIG": configOf(dir, "")}
	status, _, stderr := headgate(t, env, "sync", "run", csvSync(t, dir, "bad", true), "--data", data)
	require.Equal(t, exitPartial, status, stderr)
	content := func() map[string]string {
		files := map[string]string{}
		entries, err := os.ReadDir(data)
		require.NoError(t, err)
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(data, e.Name()))
			require.NoError(t, err)
			files[e.Name()] = string(b)
		}
		require.Contains(t, files, "headgate.db")
		return files
	}
	before := content()
	for _, args := range [][]string{{"list"}, {"runs", "bad"}, {"rejects", "bad"}} {
		status, stdout, stderr := headgate(t, env, append(append([]string{"sync"}, args...), "--data", data)...)
		require.Zero(t, status, stderr)
		require.Contains(t, stdout, "pull")
		require.Empty(t, stderr)
		require.Equal(t, before, content(), "%q", args)
	}
}

// A server that serves another function cannot be asked about syncs: the command works
// beside it.
func TestBesideAServerOfAnotherFunction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	env := map[string]string{"CONFIG": configOf(dir, "")}
	serving(t, env, "--data", data, "--function", "ingest")
	status, stdout, stderr := headgate(t, env, "sync", "run", csvSync(t, dir, "good", false), "--data", data)
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "finished")
	require.Empty(t, notices(stderr), "the server is not mentioned")
}

// With "auth", the commands need a token, and the banner says how to give curl one.
func TestTokens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sum := func(token string) string {
		s := sha256.Sum256([]byte(token))
		return hex.EncodeToString(s[:])
	}
	auth := `,"auth":{"tokens":[{"name":"all","sha256":"` + sum("s3cret") + `","roles":["operate","read","ingest"]},
		{"name":"reader","sha256":"` + sum("reader") + `","roles":["read"]}]}`
	env := map[string]string{"CONFIG": configOf(dir, auth)}
	data := filepath.Join(dir, "data")
	base, banner := serving(t, env, "--data", data)
	require.Contains(t, banner, `  curl -H "Authorization: Bearer $TOKEN" -d 'hello' `+base+"/event/a\n")
	require.Contains(t, banner, `  curl -H "Authorization: Bearer $TOKEN" `+base+"/messages\n")
	require.Contains(t, banner, `with TOKEN set to one that "auth" in the configuration lets send and read`)

	for name, c := range map[string]struct {
		args   []string
		token  string // in the environment
		status int
		want   string
	}{
		"none":              {[]string{"--url", base}, "", 1, "headgate: " + base + " asks for a token: set HEADGATE_TOKEN, or give --token\n"},
		"none, by data":     {[]string{"--data", data}, "", 1, base + " asks for a token: set HEADGATE_TOKEN, or give --token\n"},
		"wrong":             {[]string{"--url", base, "--token", "guess"}, "", 1, "headgate: " + base + " does not accept the token"},
		"flag":              {[]string{"--url", base, "--token", "s3cret"}, "guess", 0, ""},
		"variable":          {[]string{"--url", base}, "s3cret", 0, ""},
		"variable, by data": {[]string{"--data", data}, "s3cret", 0, ""},
		"reader":            {[]string{"--url", base, "--token", "reader"}, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"HEADGATE_TOKEN": c.token}
			status, _, stderr := headgate(t, env, append([]string{"sync", "list"}, c.args...)...)
			require.Equal(t, c.status, status, stderr)
			require.Contains(t, stderr, c.want)
		})
	}
	t.Run("role", func(t *testing.T) {
		t.Parallel()
		status, _, stderr := headgate(t, nil, "sync", "delete", "x", "--url", base, "--token", "reader")
		require.Equal(t, exitError, status)
		require.Equal(t, "headgate: "+base+" does not allow this caller to do that: not allowed: this needs the role operate\n", stderr)
	})
}

func TestURLsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"gate.example.com", "ftp://gate", "http://", "http://gate?x=1", "::"} {
		status, _, stderr := headgate(t, nil, "sync", "list", "--url", address)
		require.Equal(t, exitUsage, status)
		require.Contains(t, stderr, "is not the address of a deployment")
	}
	status, _, stderr := headgate(t, nil, "sync", "list", "--url", "https://me:hunter2@gate.example.com")
	require.Equal(t, exitUsage, status)
	require.True(t, strings.HasPrefix(stderr, "headgate: the address of a deployment has no user or password: give a token\n"), stderr)
	require.NotContains(t, stderr, "hunter2")
	status, _, _ = headgate(t, map[string]string{"HEADGATE_URL": "gate"}, "sync", "list")
	require.Equal(t, exitError, status, "the command line is right, the environment is not")
	status, _, stderr = headgate(t, nil, "sync", "list", "--url", "http://127.0.0.1:1")
	require.Equal(t, exitError, status)
	require.Contains(t, stderr, "headgate: http://127.0.0.1:1 does not answer: ")
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An exception covers one kind of finding in one place, needs a reason, and must be
// needed.
func TestTriage(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"bash", "awk"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skip("needs " + command)
		}
	}
	script, err := filepath.Abs("scripts/triage")
	require.NoError(t, err)
	const finding = "a/x.go:2:7: [CWE-328] Weak (Rule:G401, Severity:MEDIUM, Confidence:HIGH)\n"
	for name, test := range map[string]struct{ conf, findings, want string }{
		"nothing":         {},
		"a comment":       {"# G1\n\n", "", ""},
		"no exception":    {"", finding, finding + "\tmd5.New()\n"},
		"five parts":      {"G401 | a/x.go | md5.New( | an | id\n", finding, "conf:1: want RULE | PATH | CODE | REASON\n" + finding + "\tmd5.New()\n"},
		"by its code":     {"G401 | a/x.go | md5.New( | an id\n", finding, ""},
		"by a directory":  {"* | a/ | * | a test\n", finding, ""},
		"an absolute one": {"G401 | a/x.go | * | an id\n", "DIR/" + finding, ""},
		"another rule":    {"G40 | a/x.go | * | an id\n", finding, finding + "\tmd5.New()\nconf:1: excepts nothing any more: remove it\n"},
		"another file":    {"G401 | x.go | * | an id\n", finding, finding + "\tmd5.New()\nconf:1: excepts nothing any more: remove it\n"},
		"another code":    {"G401 | a/x.go | sha1 | an id\n", finding, finding + "\tmd5.New()\nconf:1: excepts nothing any more: remove it\n"},
		"no reason":       {"G401 | a/x.go | md5.New( | \n", finding, "conf:1: want RULE | PATH | CODE | REASON\n" + finding + "\tmd5.New()\n"},
		"stale":           {"G401 | a/x.go | * | an id\n", "", "conf:1: excepts nothing any more: remove it\n"},
		"not a finding":   {"", "panic: oh\n", "not understood: panic: oh\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "a"), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "a", "x.go"), []byte("package a\n\tmd5.New()\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(test.conf), 0o600))
			cmd := exec.Command(script, "conf")
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.ReplaceAll(test.findings, "DIR", dir))
			out, err := cmd.CombinedOutput()
			require.Equal(t, test.want, string(out))
			require.Equal(t, test.want != "", err != nil, err)
		})
	}
}

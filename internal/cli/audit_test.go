package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/platform/launch"
	"github.com/headgate/headgate/internal/store"
)

func TestAuditTable(t *testing.T) {
	t.Parallel()
	var a auditAnswer
	require.NoError(t, json.Unmarshal([]byte(`{"entries":[
		{"who":"kate@example.com","action":"reset","object":"/services/s","outcome":"done","detail":{"events":"2","eventKey":"e"}},
		{"who":"local","action":"replay","object":"/services/s/messages/m","outcome":"failed","error":"no message \"m\""}],"next":"x"}`), &a))
	var stdout, stderr bytes.Buffer
	p := &Process{Stdout: &stdout, Stderr: &stderr}
	require.NoError(t, p.printAudit(&stdout, &a))
	require.Contains(t, stdout.String(), "kate@example.com  reset   /services/s             done     eventKey=e events=2")
	require.Contains(t, stdout.String(), `no message "m"`)
	require.Contains(t, stderr.String(), "raise --limit")
	stderr.Reset()
	require.NoError(t, p.printAudit(&stdout, &auditAnswer{}))
	require.Equal(t, "no acts\n", stderr.String())
}

func TestAuditNamesOneObject(t *testing.T) {
	t.Parallel()
	status, _, stderr := headgate(t, nil, "audit", "--service", "s", "--object", "/sync/x")
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "--service and --object exclude each other")
}

// A command that works on the store itself leaves entries, too.
func TestCommandsOnTheStoreAreAudited(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "wells.json")
	env := map[string]string{"CONFIG": configOf(dir, "")}
	do := func(want int, args ...string) {
		t.Helper()
		status, _, stderr := headgate(t, env, append([]string{"sync"}, append(args, "--data", data)...)...)
		require.Equal(t, want, status, stderr)
	}
	csv := filepath.Join(dir, "wells.csv")
	require.NoError(t, os.WriteFile(csv, []byte("id,name\n1,a\n"), 0o600))
	for _, def := range []string{"pull", "both"} {
		require.NoError(t, os.WriteFile(file, []byte(`{"id":"wells","orgId":"acme","type":"`+def+`","datasource":{"type":"csv","fileUrl":"wells.csv","selectedDatatypes":["wells"]}}`), 0o600))
		do(0, "apply", file, "--plan")
		do(0, "apply", file)
	}
	do(0, "apply", file)
	do(0, "run", "wells", "--validate")
	do(0, "delete", "wells")

	p := &Process{Getenv: func(name string) string { return env[name] }, Stderr: io.Discard}
	s := launch.FromEnv(p.Getenv)
	s.Data, s.Reads = data, true
	a, closeApp, err := p.openApp(t.Context(), s)
	require.NoError(t, err)
	defer closeApp()
	entries, _, err := a.Audit().List(t.Context(), audit.Filter{}, store.Position{}, 100)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprint(e.Who, " ", e.Action, " ", e.Object, " ", e.Outcome))
	}
	require.Equal(t, []string{"local deleteSync /sync/wells done", "local runSync /sync/wells done", "local updateSync /sync/wells done", "local createSync /sync/wells done"}, got)
}

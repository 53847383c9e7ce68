package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A validation changes nothing: it must not continue a run that somebody else began.
func TestAValidationGoesOnWithNoOtherRun(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(asked) })
		<-answer
		fmt.Fprint(w, "id,name\n1,a\n")
	}))
	defer srv.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "s.json")
	def := `{"orgId": "x", "type": "pull", "datasource": {"type": "csv", "fileUrl": "` + srv.URL + `/a.csv", "selectedDatatypes": ["row"]}}`
	require.NoError(t, os.WriteFile(file, []byte(def), 0o600))
	run := func(args ...string) string { // what it says on standard error
		args = append([]string{"sync", "run", file, "--data", filepath.Join(dir, "data")}, args...)
		var stderr bytes.Buffer
		status := Main(t.Context(), Process{Args: args, Getenv: noEnv, Stdout: io.Discard, Stderr: &stderr})
		return fmt.Sprintf("status %d: %s", status, stderr.String())
	}
	first := make(chan string, 1)
	go func() { first <- run() }()
	<-asked
	second := make(chan string, 1)
	go func() { second <- run("--validate") }()
	select {
	case said := <-second:
		require.Contains(t, said, "status 1: ")
		require.Contains(t, said, "is at work since")
	case <-time.After(30 * time.Second):
		t.Error("it waits for the other run")
	}
	close(answer)
	require.Contains(t, <-first, "status 0: ")
	require.Contains(t, run("--validate"), "status 0: ")
}

// A run that the person stops waits in the store: the same command continues it.
func TestRunIsStoppedAndGoesOn(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() == nil {
			stop()
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, "id,name\n1,a\n")
	}))
	defer srv.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "s.json")
	def := `{"orgId": "x", "type": "pull", "datasource": {"type": "csv", "fileUrl": "` + srv.URL + `/a.csv", "selectedDatatypes": ["row"]}}`
	require.NoError(t, os.WriteFile(file, []byte(def), 0o600))
	run := func(ctx context.Context) (int, string) {
		var stdout, stderr bytes.Buffer
		args := []string{"sync", "run", file, "--data", filepath.Join(dir, "data")}
		status := Main(ctx, Process{Args: args, Getenv: noEnv, Stdout: &stdout, Stderr: &stderr})
		return status, stdout.String() + stderr.String()
	}
	status, said := run(ctx)
	require.Equal(t, exitError, status)
	require.Regexp(t, `headgate: stopped: run it again to continue run \S+\n$`, said)
	id := said[strings.LastIndex(said, " ")+1 : len(said)-1]
	status, said = run(t.Context())
	require.Zero(t, status, said)
	require.Contains(t, said, "run "+id+" is under way elsewhere, or its process died a moment ago: going on with it\n")
	require.Contains(t, said, id+" finished in ")
}

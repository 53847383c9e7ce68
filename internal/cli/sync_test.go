package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever asks what a run would do does not set one going that somebody else began.
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
	run := func(args ...string) error {
		args = append([]string{"run", file, "-data", filepath.Join(dir, "data")}, args...)
		return syncCommand(t.Context(), args, func(string) string { return "" }, io.Discard, io.Discard)
	}
	first := make(chan error, 1)
	go func() { first <- run() }()
	<-asked
	second := make(chan error, 1)
	go func() { second <- run("--validate") }()
	select {
	case err := <-second:
		require.ErrorContains(t, err, "is at work since")
	case <-time.After(30 * time.Second):
		t.Error("it waits for the other run")
	}
	close(answer)
	require.NoError(t, <-first)
	require.NoError(t, run("--validate"))
}

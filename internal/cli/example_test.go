package cli

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// Requests that are not for the task list reach the handler unchanged.
func TestExampleLeavesPathsAlone(t *testing.T) {
	t.Parallel()
	var got string
	h := withExample(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.EscapedPath() }), newExample())
	for _, path := range []string{"/services/My%20Service//event/a", "/a/../b", "/examples", "/"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", path, nil))
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Equal(t, path, got)
	}
	got = ""
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/example/fetch-tasks", nil))
	require.Contains(t, w.Body.String(), "taskList")
	require.Empty(t, got)
}

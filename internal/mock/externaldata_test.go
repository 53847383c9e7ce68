package mock_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
)

// The test cases of Fluid's mock external data service, with its names.
func TestExternalData(t *testing.T) {
	t.Parallel()
	const two = `{"taskList":{"1":{"name":"One","priority":1},"2":{"name":"Two","priority":2.5}}}`
	t.Run("fetch returns the source's data", func(t *testing.T) {
		t.Parallel()
		e := mock.NewExternalData(mock.Options{})
		status, body, _ := call(t, e, "GET", "/fetch-tasks", "")
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"taskList":{"12":{"name":"Alpha","priority":1},"34":{"name":"Beta","priority":2},"56":{"name":"Gamma","priority":3},"78":{"name":"Delta","priority":4}}}`, body)
		_, body, _ = call(t, e, "GET", "/fetch-tasks/task-list-2", "")
		require.Contains(t, body, "CompletelyDifferentAlpha")
		status, _, _ = call(t, e, "GET", "/fetch-tasks/none", "")
		require.Equal(t, 400, status)
	})
	t.Run("set replaces it, without data and with malformed data 400 and unchanged", func(t *testing.T) {
		t.Parallel()
		e := mock.NewExternalData(mock.Options{})
		status, _, _ := call(t, e, "POST", "/set-tasks/task-list-2", two)
		require.Equal(t, 200, status)
		_, before, h := call(t, e, "GET", "/fetch-tasks/task-list-2", "")
		require.JSONEq(t, two, before)
		for _, bad := range []string{``, `{}`, `{"taskList":null}`, `{"taskList":[]}`, `{"taskList":{"1":{"name":"x"}}}`, `{"taskList":{"1":{"priority":1}}}`, `{"taskList":{"1":{"name":"x","priority":"high"}}}`} {
			status, _, _ = call(t, e, "POST", "/set-tasks/task-list-2", bad)
			require.Equal(t, 400, status, bad)
		}
		_, after, _ := call(t, e, "GET", "/fetch-tasks/task-list-2", "")
		require.JSONEq(t, before, after)
		status, _, _ = call(t, e, "POST", "/set-tasks/task-list-2", two, "If-Match", `"999"`)
		require.Equal(t, 412, status)
		status, _, _ = call(t, e, "POST", "/set-tasks/none", two, "If-Match", `*`)
		require.Equal(t, 412, status, "* matches only a list that exists")
		status, _, h = call(t, e, "POST", "/set-tasks/task-list-2", two, "If-Match", `"999", `+h.Get("ETag"))
		require.Equal(t, 200, status, "If-Match is a list")
		status, _, h = call(t, e, "POST", "/set-tasks/task-list-2", two, "If-Match", `"999"`, "If-Match", h.Get("ETag"))
		require.Equal(t, 200, status, "several lines form one list")
		status, _, _ = call(t, e, "POST", "/set-tasks/task-list-2", two, "If-Match", h.Get("ETag"))
		require.Equal(t, 200, status)
	})
	t.Run("the reset restores the sample lists", func(t *testing.T) {
		t.Parallel()
		e := mock.NewExternalData(mock.Options{})
		for _, id := range []string{"task-list-1", "task-list-2"} {
			_, before, _ := call(t, e, "GET", "/fetch-tasks/"+id, "")
			call(t, e, "POST", "/set-tasks/"+id, two)
			status, _, _ := call(t, e, "POST", "/debug-reset-task-list", "")
			require.Equal(t, 200, status)
			_, after, _ := call(t, e, "GET", "/fetch-tasks/"+id, "")
			require.JSONEq(t, before, after)
		}
	})
	const ours = `{"url":"http://127.0.0.1:1/x"}`
	registered := func(t *testing.T) *mock.ExternalData {
		t.Helper()
		e := mock.NewExternalData(mock.Options{})
		status, _, _ := call(t, e, "POST", "/register-for-webhook", ours)
		require.Equal(t, 200, status)
		require.Len(t, e.Hooks("task-list-1"), 1)
		return e
	}
	t.Run("register valid URL", func(t *testing.T) {
		t.Parallel()
		registered(t)
	})
	t.Run("register or unregister missing, I am not a URI, not a url, 123; 123 list id: 400", func(t *testing.T) {
		t.Parallel()
		e := registered(t)
		for _, bad := range []string{``, `{}`, `{"url":"I am not a URI"}`, `{"url":"not a url"}`, `{"url":123}`, `{"url":{}}`, `{"url":"http://x/","externalTaskListId":123}`} {
			for _, path := range []string{"/register-for-webhook", "/unregister-webhook"} {
				status, _, _ := call(t, e, "POST", path, bad)
				require.Equal(t, 400, status, bad)
			}
		}
		require.Len(t, e.Hooks("task-list-1"), 1)
	})
	t.Run("unregister without any webhook: 400", func(t *testing.T) {
		t.Parallel()
		status, _, _ := call(t, mock.NewExternalData(mock.Options{}), "POST", "/unregister-webhook", ours)
		require.Equal(t, 400, status)
	})
	t.Run("unregister another's URL: 200", func(t *testing.T) {
		t.Parallel()
		e := registered(t)
		status, _, _ := call(t, e, "POST", "/unregister-webhook", `{"url":"http://other.example/"}`)
		require.Equal(t, 200, status)
		require.Len(t, e.Hooks("task-list-1"), 1)
	})
	t.Run("unregister existing", func(t *testing.T) {
		t.Parallel()
		e := registered(t)
		status, _, _ := call(t, e, "POST", "/unregister-webhook", ours)
		require.Equal(t, 200, status)
		require.Empty(t, e.Hooks("task-list-1"))
	})
	t.Run("a registered listener is called", func(t *testing.T) {
		t.Parallel()
		e := mock.NewExternalData(mock.Options{})
		got := make(chan string, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got <- string(b)
		}))
		defer srv.Close()
		call(t, e, "POST", "/register-for-webhook", `{"url":"`+srv.URL+`","externalTaskListId":"l"}`)
		call(t, e, "POST", "/set-tasks/l", two)
		select {
		case body := <-got:
			require.Contains(t, body, `"data":{"1"`)
		case <-time.After(30 * time.Second):
			require.Fail(t, "it was not called")
		}
		e.Wait()
	})
	t.Run("the query names the list", func(t *testing.T) {
		t.Parallel()
		e := mock.NewExternalData(mock.Options{})
		status, _, _ := call(t, e, "POST", "/register-for-webhook?externalTaskListId=task-list-2", ours)
		require.Equal(t, 200, status)
		require.Empty(t, e.Hooks("task-list-1"))
		require.Len(t, e.Hooks("task-list-2"), 1)
		status, _, _ = call(t, e, "POST", "/unregister-webhook?externalTaskListId=task-list-2", ours)
		require.Equal(t, 200, status)
		require.Empty(t, e.Hooks("task-list-2"))
	})
	t.Run("pages of any origin may call it, and GET / answers", func(t *testing.T) {
		t.Parallel()
		e := mock.NewExternalData(mock.Options{})
		status, _, _ := call(t, e, "GET", "/", "")
		require.Equal(t, 200, status)
		status, _, h := call(t, e, "OPTIONS", "/set-tasks", "", "Origin", "http://localhost:8080", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
		require.Equal(t, 204, status)
		require.Contains(t, h.Get("Access-Control-Allow-Methods"), "POST")
		require.Equal(t, "*", h.Get("Access-Control-Allow-Headers"))
		for _, path := range []string{"/", "/fetch-tasks", "/fetch-tasks/none", "/no-such-path"} {
			_, _, h = call(t, e, "GET", path, "", "Origin", "http://localhost:8080")
			require.Equal(t, "*", h.Get("Access-Control-Allow-Origin"), path)
		}
	})
	t.Run("faults", func(t *testing.T) {
		t.Parallel()
		e := mock.NewExternalData(mock.Options{})
		status, _, _ := call(t, e, "PUT", "/faults", `{"rate429":{"next":1,"retryAfter":3}}`)
		require.Equal(t, 200, status)
		status, _, h := call(t, e, "GET", "/fetch-tasks", "")
		require.Equal(t, 429, status)
		require.Equal(t, "3", h.Get("Retry-After"))
		status, _, _ = call(t, e, "GET", "/fetch-tasks", "")
		require.Equal(t, 200, status)
	})
}

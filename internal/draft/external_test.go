package draft_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Errors are logged, and a signed URL must not get into the log.
func TestErrorsDoNotRepeatTheURL(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	e := &draft.External{HTTP: srv.Client(), URL: srv.URL + "/s3cret", List: "l"}
	_, _, err := e.Fetch(t.Context())
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.ErrorContains(t, err, "does not answer")
	require.NotContains(t, err.Error(), "s3cret")
}

// Whoever saves a draft that the source refuses sees why.
func TestARefusalShowsTheSourcesReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		says   string
		hides  string
	}{
		{400, `{"message":"task \"12\" has a priority below 0"}`, `400 Bad Request: task "12" has a priority below 0`, ""},
		{422, `{"type":"about:blank","title":"Unprocessable","detail":"the name is\ntaken"}`, ": the name is taken", ""},
		{403, `{"error":{"message":"the list is locked"}}`, ": the list is locked", ""},
		{409, `{"error":"another release is under way"}`, ": another release is under way", ""},
		{400, "  name is\x00 too   long\r\n", ": name is too long", "\x00"},
		{400, "<html><body>Bad Request</body></html>", "400 Bad Request", "<"},
		{400, `{"code":17}`, "400 Bad Request", "code"},
		{400, "", "400 Bad Request", "Request:"},
		{400, strings.Repeat("é", 5000), ": é", strings.Repeat("é", 301)},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		t.Cleanup(srv.Close)
		e := &draft.External{HTTP: srv.Client(), URL: srv.URL, List: "l"}
		_, err := e.Save(t.Context(), draft.Rows{}, nil, `"1"`)
		require.ErrorContains(t, err, c.says, c.body)
		if c.hides != "" {
			require.NotContains(t, err.Error(), c.hides)
		}
	}
}

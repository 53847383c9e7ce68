package draft_test

import (
	"net/http"
	"net/http/httptest"
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

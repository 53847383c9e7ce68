package app

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/sync/source"
)

// The error is logged, and the log must not have a signed URL.
func TestPassThroughDoesNotRepeatTheURL(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	a := &App{o: Options{
		Config: &config.Config{Deployment: config.Deployment{Live: &config.Live{PassThrough: &config.LivePassThrough{URL: srv.URL + "/frames?sig=s3cret"}}}},
		Env:    source.Env{HTTP: srv.Client()},
	}}
	err := a.passThrough(t.Context(), "", []byte(`{}`))
	require.ErrorContains(t, err, "live.passThrough.url answers 404")
	require.NotContains(t, err.Error(), "s3cret")

	srv.Close()
	err = a.passThrough(t.Context(), "", []byte(`{}`))
	require.ErrorContains(t, err, "live.passThrough.url does not answer")
	require.NotContains(t, err.Error(), "s3cret")
}

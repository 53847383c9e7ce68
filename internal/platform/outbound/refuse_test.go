package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
)

func TestNoClientCallsNothing(t *testing.T) {
	t.Parallel()
	called := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer srv.Close()

	_, err := outbound.OrRefuse(nil).Post(srv.URL, "text/plain", strings.NewReader("x"))
	require.Equal(t, fault.Forbidden, fault.CodeOf(err))
	require.False(t, called)

	resp, err := outbound.OrRefuse(srv.Client()).Post(srv.URL, "text/plain", strings.NewReader("x"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.True(t, called)
}

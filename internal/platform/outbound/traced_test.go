package outbound

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
)

// A call within a trace carries a traceparent, and is a span that shows no part of the URL
// but the host. The caller's request stays as it is.
func TestCallsCarryTheTrace(t *testing.T) {
	t.Parallel()
	got := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Traceparent")
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	c, err := New(Options{AllowLoopback: true})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	var spans tracetest.Recorder
	ctx, parent := trace.New(&spans).Start(t.Context(), trace.Internal, "deliver")
	call := func(path string, header http.Header) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path+"?token=hush", nil)
		require.NoError(t, err)
		req.Header = header
		resp, err := c.HTTP().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NotContains(t, header, "Traceparent")
		require.Same(t, req, resp.Request)
	}
	call("/secret", http.Header{"Accept": {"x"}})
	call("/no", http.Header{})
	all := spans.Ended()
	require.Len(t, all, 2)
	require.Equal(t, all[0].String(), <-got)
	require.Equal(t, all[1].String(), <-got)
	require.Equal(t, []string{"", "403"}, []string{all[0].Failed, all[1].Failed})
	for _, s := range all {
		require.Equal(t, parent.Context(), s.Parent)
		require.Equal(t, trace.Client, s.Kind)
		require.Equal(t, "GET", s.Name)
		require.Equal(t, "127.0.0.1", s.Attributes["server.address"])
		for _, v := range s.Attributes {
			require.NotContains(t, fmt.Sprint(v), "secret")
			require.NotContains(t, fmt.Sprint(v), "hush")
		}
	}

	ctx = trace.With(t.Context(), parent.Context()) // a caller's trace that this process does not record
	call("/", http.Header{})
	require.Empty(t, <-got)
}

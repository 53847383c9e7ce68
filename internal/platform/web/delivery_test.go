package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConsent(t *testing.T) {
	t.Parallel()
	allowed := []string{"POST"}
	for name, c := range map[string]struct {
		asks http.Header
		want http.Header
	}{
		"nothing": {http.Header{}, http.Header{"Allow": {"POST, OPTIONS"}}},
		"a sender": {
			http.Header{"Webhook-Request-Origin": {"a.example"}},
			http.Header{"Allow": {"POST, OPTIONS"}, "Webhook-Allowed-Origin": {"a.example"}, "Webhook-Allowed-Rate": {"*"}},
		},
		"a sender with a rate": {
			http.Header{"Webhook-Request-Origin": {"a.example"}, "Webhook-Request-Rate": {"120"}},
			http.Header{"Allow": {"POST, OPTIONS"}, "Webhook-Allowed-Origin": {"a.example"}, "Webhook-Allowed-Rate": {"120"}},
		},
		"a rate alone": {http.Header{"Webhook-Request-Rate": {"120"}}, http.Header{"Allow": {"POST, OPTIONS"}}},
	} {
		r, w := httptest.NewRequest("OPTIONS", "/", nil), httptest.NewRecorder()
		r.Header = c.asks
		require.NoError(t, Consent(w, r, allowed), name)
		require.Equal(t, http.StatusNoContent, w.Code, name)
		require.Equal(t, c.want, w.Header(), name)
	}
	require.Equal(t, []string{"POST"}, allowed, "the caller's list is not changed")
}

func TestAnyCase(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{"post": "POST", "Get": "GET", "hEAD": "HEAD", "POST": "POST", "brew": "brew", "propfind": "propfind"} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Method = sent
		AnyCase(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			require.Equal(t, want, r.Method)
		})).ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, sent, r.Method, "the caller's request is not changed")
	}
}

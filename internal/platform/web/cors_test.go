package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCORS(t *testing.T) {
	t.Parallel()
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(299) })
	do := func(listed []string, method string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		crossOrigin(listed)(inner).ServeHTTP(w, r)
		return w
	}
	preflight := []string{
		"Origin", "https://a.example", "Access-Control-Request-Method", "PATCH",
		"Access-Control-Request-Headers", "authorization,x-mine",
	}
	for want, listed := range map[string][]string{
		"https://a.example": {"https://A.example:443", "https://b.example"},
		"*":                 {"https://b.example", "*"},
	} {
		w := do(listed, "OPTIONS", preflight...)
		require.Equal(t, 204, w.Code)
		require.Equal(t, want, w.Header().Get("Access-Control-Allow-Origin"))
		require.Equal(t, "PATCH", w.Header().Get("Access-Control-Allow-Methods"))
		require.Equal(t, "authorization,x-mine", w.Header().Get("Access-Control-Allow-Headers"))
		require.Empty(t, w.Header().Get("Access-Control-Allow-Credentials"))

		w = do(listed, "GET", "Origin", "https://a.example")
		require.Equal(t, 299, w.Code)
		require.Equal(t, want, w.Header().Get("Access-Control-Allow-Origin"))
		require.Equal(t, "X-Request-Id, Retry-After, Location, Etag", w.Header().Get("Access-Control-Expose-Headers"))
	}
	only := []string{"https://a.example"}
	for _, other := range []string{"https://b.example", "http://a.example", "https://a.example:80", "null"} {
		require.Empty(t, do(only, "GET", "Origin", other).Header().Get("Access-Control-Allow-Origin"), other)
	}
	require.Equal(t, 299, do(only, "OPTIONS", "Origin", "https://a.example").Code, "an event")
	for _, listed := range [][]string{nil, {}} {
		w := do(listed, "OPTIONS", preflight...)
		require.Equal(t, 299, w.Code)
		require.Empty(t, w.Header())
	}
}

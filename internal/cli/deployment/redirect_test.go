package deployment

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
)

// A redirect takes neither the token nor a body elsewhere, also not to another port of the
// same host, and the error says where it leads, without credentials.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", strings.Replace(elsewhere.URL, "http://", "http://u:hush@", 1)+"/x?access_token=hush")
			w.WriteHeader(status)
		}))
		t.Cleanup(gate.Close)
		c, err := NewClient(gate.URL, "t", "test")
		require.NoError(t, err)
		t.Cleanup(c.Close)
		_, sent := c.Send(t.Context(), "POST", "/event/a", nil, []byte("x"))
		for name, err := range map[string]error{
			"call":    c.Do(t.Context(), "GET", "/doctor", nil, nil),
			"body":    c.Do(t.Context(), "PUT", "/sync/s", map[string]any{"password": "hush"}, nil),
			"send":    sent,
			"patient": c.patient().Do(t.Context(), "POST", "/sync/s/run", nil, nil),
			"stream":  c.Stream(t.Context(), "/live", func([]byte) {}),
			"lines":   c.Records(t.Context(), "/events", nil, func([]byte, *event.Record) error { return nil }),
		} {
			require.ErrorContains(t, err, gate.URL+" redirects to ", name)
			require.ErrorContains(t, err, ", and redirects are not followed: give the address that they lead to", name)
			require.NotContains(t, err.Error(), "hush", name)
		}
	}
	require.Zero(t, reached.Load())
}

// An address that is refused is shown without the credentials in it.
func TestRefusedAddressesShowNoCredentials(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"https://u:hush@gate.example.com", "https://u:hush@gate.example.com/?a=b", "https://gate.example.com?access_token=hush", "https://gate.example.com/#access_token=hush",
		"https://u:hu sh@gate.example.com", "u:hush@gate.example.com", "https://u:hush@gate.example.com:port", "ftp://u:hush@gate.example.com",
	} {
		_, err := NewClient(address, "", "test")
		require.Error(t, err, address)
		require.NotContains(t, strings.ReplaceAll(err.Error(), " ", ""), "hush", address)
	}
}

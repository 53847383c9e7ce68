package resolver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/live/resolver"
	"github.com/headgate/headgate/live"
)

// A text frame has to be UTF-8: a client that gets another one closes the connection,
// and would do so after every reconnect.
func TestRowsAreUTF8(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[{\"a\":\"\xff\"}]")) }))
	defer srv.Close()
	_, err := (&resolver.HTTP{Client: srv.Client(), URL: srv.URL}).Resolve(t.Context(), live.KeyOf("items", "1"), "")
	require.ErrorContains(t, err, "UTF-8")
}

// A secret that no header can carry is denied, not retried for ever.
func TestSecretsThatNoHeaderCanCarry(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`[{}]`))
	}))
	defer srv.Close()
	r := &resolver.HTTP{Client: srv.Client(), URL: srv.URL}
	for _, secret := range []string{"a\nb", "\r", "a\x00", "\x7f"} {
		_, err := r.Resolve(t.Context(), live.KeyOf("items", "1"), secret)
		require.ErrorIs(t, err, live.ErrDenied, "%q", secret)
	}
	for _, secret := range []string{"é", "a\tb", "ü ü"} {
		_, err := r.Resolve(t.Context(), live.KeyOf("items", "1"), secret)
		require.NoError(t, err, "%q", secret)
	}
}

// An ETag decides what is new: rows may hold the time.
func TestAnETagIsTheVersion(t *testing.T) {
	t.Parallel()
	answers := [][2]string{{`"a"`, `{"at":1}`}, {`"a"`, `{"at":2}`}, {`"b"`, `{"at":2}`}, {"", `{"at":3}`}, {"", `{"at":4}`}}
	var versions []string
	for _, a := range answers {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if a[0] != "" {
				w.Header().Set("ETag", a[0])
			}
			_, _ = w.Write([]byte(a[1]))
		}))
		s, err := (&resolver.HTTP{Client: srv.Client(), URL: srv.URL}).Resolve(t.Context(), live.Key{Org: "o", Type: "t", ID: "1"}, "")
		srv.Close()
		require.NoError(t, err)
		versions = append(versions, s.Version)
	}
	require.Equal(t, versions[0], versions[1])
	require.NotEqual(t, versions[1], versions[2])
	require.NotEqual(t, versions[3], versions[4])
}

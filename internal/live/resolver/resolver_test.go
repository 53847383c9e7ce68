package resolver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/live/resolver"
	"github.com/headgate/headgate/live"
)

// An answer is a JSON array of rows, or one row of any bytes.
func TestRowsAreAnyBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer string
		rows   []string
	}{
		{`[{"a":1}, "b" ]`, []string{`{"a":1}`, `"b"`}},
		{"[{\"a\":\"\xff\"},1]", []string{"{\"a\":\"\xff\"}", "1"}},
		{`{"a":1}`, []string{`{"a":1}`}},
		{"plain text", []string{"plain text"}},
		{"\x00\xff", []string{"\x00\xff"}},
		{"[1", []string{"[1"}},
	} {
		s, err := answered(t, c.answer)
		require.NoError(t, err, c.answer)
		require.False(t, s.Gone, c.answer)
		require.Len(t, s.Rows, len(c.rows), c.answer)
		for i, row := range s.Rows {
			require.Equal(t, c.rows[i], string(row), c.answer)
		}
	}
	s, err := answered(t, "[]")
	require.NoError(t, err)
	require.True(t, s.Gone)
	_, err = answered(t, "")
	require.ErrorContains(t, err, "without a body")
}

// answered returns the state that a service's answer describes.
func answered(t *testing.T, answer string) (live.State, error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
	defer srv.Close()
	return (&resolver.HTTP{Client: srv.Client(), URL: srv.URL}).Resolve(t.Context(), live.KeyOf("items", "1"), "")
}

// A secret that no header can carry as it is is an error of the secret, which the client is
// told and which is not tried again. Any other arrives as it is.
func TestSecretsThatNoHeaderCanCarry(t *testing.T) {
	t.Parallel()
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get(live.SecretHeader)
		_, _ = w.Write([]byte(`[{}]`))
	}))
	defer srv.Close()
	r := &resolver.HTTP{Client: srv.Client(), URL: srv.URL}
	for _, secret := range []string{"a\nb", "\r", "a\x00", "\x7f", " a", "a\t"} {
		_, err := r.Resolve(t.Context(), live.KeyOf("items", "1"), secret)
		var bad *live.SecretError
		require.ErrorAs(t, err, &bad, "%q", secret)
	}
	for _, secret := range []string{"é", "a\tb", "ü ü"} {
		_, err := r.Resolve(t.Context(), live.KeyOf("items", "1"), secret)
		require.NoError(t, err, "%q", secret)
		require.Equal(t, secret, got)
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

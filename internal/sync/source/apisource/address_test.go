package apisource

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// With any key, the URL names one row on the server of the definition, and the server
// reads the same key from it.
func FuzzAddress(f *testing.F) {
	for _, key := range []string{"a", "..", ".", "", "a/../b", "//evil.example/x", "http://evil.example", "a:b", "?x#y", "%2e%2e", "{type}", "\\..\\", "ü"} {
		f.Add(key, "plain")
		f.Add("plain", key)
	}
	base, err := url.Parse("https://api.example.org/v1/")
	require.NoError(f, err)
	a := &api{base: base}
	f.Fuzz(func(t *testing.T, key, other string) {
		u, err := a.address("{id}?other={other}&x=1", map[string]string{"id": key, "other": other})
		if err != nil {
			require.True(t, errors.Is(err, errKey), "%v", err)
			require.Contains(t, []string{"", ".", ".."}, key)
			return
		}
		read, err := url.Parse(u.String())
		require.NoError(t, err)
		require.Equal(t, "https://api.example.org", read.Scheme+"://"+read.Host)
		require.Nil(t, read.User)
		segment, ok := strings.CutPrefix(read.EscapedPath(), "/v1/")
		require.True(t, ok)
		got, err := url.PathUnescape(segment)
		require.NoError(t, err)
		require.Equal(t, key, got)
		require.NotContains(t, segment, "/")
		require.Equal(t, url.Values{"other": {other}, "x": {"1"}}, read.Query())
	})
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	base, err := url.Parse("https://api.example.org/v1/")
	require.NoError(t, err)
	for text, want := range map[string]bool{
		"https://api.example.org/x": true, "https://API.example.org:443/x": true, "/x": true, "?x": true,
		"http://api.example.org/x": false, "https://api.example.org:8443/x": false, "https://api.example.org.evil.example/x": false, "//evil.example": false,
	} {
		u, err := base.Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, sameOrigin(u, base), text)
	}
}

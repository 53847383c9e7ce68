package origin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/origin"
)

func TestNormal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://app.test": "https://app.test", "https://app.test:443": "https://app.test", "HTTPS://App.Test:443": "https://app.test",
		"http://app.test:80": "http://app.test", "http://app.test:443": "http://app.test:443", "https://app.test:80": "https://app.test:80",
		"http://app.test:8080": "http://app.test:8080", "http://[::1]:80": "http://[::1]", "http://[::1]:8080": "http://[::1]:8080",
		"chrome-extension://abc": "chrome-extension://abc",
		// Not origins.
		"null": "", "": "", "app.test": "", "https://": "", "https://app.test/": "", "https://u@app.test": "", "https://app.test?x": "", "https://app.test#x": "", "https://a b": "",
	} {
		got, ok := origin.Normal(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want != "", ok, text)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		configured, host string
		want             bool
	}{
		{"app.test", "app.test", true},
		{"app.test", "APP.test.:8080", true},
		{"App.Test", "app.test", true},
		{"app.test:443", "app.test", true},
		{"app.test:80", "app.test", true},
		{"app.test:8443", "app.test:8443", true},
		{"app.test:443", "app.test:443", true},
		{"::1", "[::1]:8080", true},
		{"[::1]", "[::1]", true},
		{"[::1]:9", "[::1]:9", true},
		{"app.test:8443", "app.test", false},
		{"app.test:443", "app.test:80", false},
		{"app.test", "app.test.evil.test", false},
		{"app.test", "xapp.test", false},
		{"app.test", "", false},
	} {
		require.Equal(t, c.want, origin.Matches(c.configured, c.host), "%q, %q", c.configured, c.host)
	}
}

package app

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// A listed target is the same with and without its scheme's default port.
func TestListedTargets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listed, target string
		want           bool
	}{
		{"app.test", "https://app.test/hook", true},
		{"app.test", "https://app.test:8443/hook", true},
		{"app.test:443", "https://app.test/hook", true},
		{"app.test:443", "https://app.test:443/hook", true},
		{"app.test:80", "http://app.test/hook", true},
		{"app.test:80", "https://app.test/hook", false},
		{"app.test:8443", "https://app.test/hook", false},
		{"app.test", "https://other.test/hook", false},
	} {
		a := &App{o: Options{Config: &config.Config{Deployment: config.Deployment{Echo: &config.Echo{AllowTargets: []string{c.listed}}}}}}
		u, err := url.Parse(c.target)
		require.NoError(t, err)
		require.Equal(t, c.want, a.needsNoHandshake(u), "%s, %s", c.listed, c.target)
	}
}

package outbound_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/outbound"
)

// Refused says what a call would: nothing is called for it.
func TestRefused(t *testing.T) {
	t.Parallel()
	o := outbound.Options{Allow: []string{"10.1.0.0/16", "listed.example"}, AllowSetting: "x.hosts", HTTPSetting: "x.http"}
	for _, c := range []struct {
		url, answer string
		says        string // "": allowed
		unresolved  string // without a name server
	}{
		{"https://93.184.215.14/x", "", "", ""},
		{"https://10.0.0.1/x", "", "internal address, which is not allowed here, unless x.hosts", "unless x.hosts"},
		{"https://10.1.0.1/x", "", "", ""},
		{"https://[::1]:8443/x", "", "internal address", "internal address"},
		{"https://[::ffff:10.0.0.1]/x", "", "internal address", "internal address"},
		{"https://public.example/x", "93.184.215.14", "", ""},
		{"https://private.example/x", "10.0.0.1", "private.example is an internal address", ""},
		{"https://listed.example/x", "10.0.0.1", "", ""},
		{"https://listed.example/x", "169.254.169.254", "internal address", ""},
		{"http://public.example/x", "93.184.215.14", "must use https, unless x.http", "must use https, unless x.http"},
		{"ftp://public.example/x", "93.184.215.14", "must use https", "must use https"},
		{"https://localhost/x", "127.0.0.1", "internal address", "internal address"},
	} {
		with := o
		with.Resolver = dns(t, "93.184.215.14")
		if c.answer != "" {
			with.Resolver = dns(t, c.answer)
		}
		u, err := url.Parse(c.url)
		require.NoError(t, err)
		h := client(t, with)
		for says, err := range map[*string]error{&c.says: outbound.Refused(t.Context(), h, u), &c.unresolved: outbound.RefusedUnresolved(h, u)} {
			if *says == "" {
				require.NoError(t, err, c.url)
			} else {
				require.ErrorContains(t, err, *says, c.url)
			}
		}
	}
	u, err := url.Parse("https://10.0.0.1")
	require.NoError(t, err)
	require.Error(t, outbound.Refused(t.Context(), outbound.OrRefuse(nil), u))
	require.NoError(t, outbound.Refused(t.Context(), http.DefaultClient, u))
}

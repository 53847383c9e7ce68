package secret_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/secret"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	listed := []secret.Grant{
		{Ref: "env:WELLS_TOKEN", Hosts: []string{"api.example.com", "10.0.0.1:8443", "[::1]", "[2001:db8::1]:443"}},
		{Ref: "sm://projects/p/secrets/s", Hosts: []string{"db.example.com:5432"}},
	}
	for _, c := range []struct {
		policy  secret.Policy
		ref, to string
		says    string // the end of the error; "": it is allowed
	}{
		{secret.Policy{}, "env:HEADGATE_SECRET_X", "h:443", "is not allowed for syncs: list it in sync.secrets of the configuration with the host h:443"},
		{secret.Policy{}, "sm://projects/p/secrets/s", "h:443", "is not allowed for syncs"},
		{secret.Policy{Prefixed: true}, "env:HEADGATE_SECRET_X", "h:443", ""},
		{secret.Policy{Prefixed: true}, "env:headgate_secret_x", "h:443", "or give the environment variable a name that begins with HEADGATE_SECRET_"},
		{secret.Policy{Prefixed: true}, "env:AWS_SECRET", "h:443", "env:AWS_SECRET is not allowed for syncs"},
		{secret.Policy{Prefixed: true}, "sm://projects/p/secrets/HEADGATE_SECRET_X", "h:443", "sync.secrets of the configuration with the host h:443$"},
		{secret.Policy{Prefixed: true}, "env:HEADGATE_SECRET_X", "", "cannot be used here: this data source takes no credentials"},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "api.example.com:443", ""},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "API.example.com:8080", ""},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "10.0.0.1:8443", ""},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "[::1]:80", ""},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "[2001:db8::1]:443", ""},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "[2001:db8::1]:80", "may not be sent to [2001:db8::1]:80"},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "10.0.0.1:443", "may not be sent to 10.0.0.1:443: sync.secrets"},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "evil.example.com:443", "may not be sent to evil.example.com:443"},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "api.example.com.evil.com:443", "may not be sent"},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "api.example.com.:443", "may not be sent"},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN", "api.example.com", "may not be sent"},
		{secret.Policy{Grants: listed}, "env:WELLS_TOKEN ", "api.example.com:443", "is not allowed for syncs"},
		{secret.Policy{Grants: listed}, "env:wells_token", "api.example.com:443", "is not allowed for syncs"},
		{secret.Policy{Grants: listed}, "sm://projects/p/secrets/s", "db.example.com:5432", ""},
		{secret.Policy{Grants: listed}, "sm://projects/p/secrets/s/versions/latest", "db.example.com:5432", ""},
		{secret.Policy{Grants: listed}, "sm://projects/p/secrets/s/versions/1", "db.example.com:5432", "is not allowed for syncs"},
	} {
		err := c.policy.Check(c.ref, c.to)
		if c.says == "" {
			require.NoError(t, err, "%s to %s", c.ref, c.to)
			continue
		}
		says, ends := strings.CutSuffix(c.says, "$")
		require.ErrorContains(t, err, says)
		if ends {
			require.True(t, strings.HasSuffix(err.Error(), says), err.Error())
		}
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
	}
}

// A reference that the policy does not allow is not looked up.
func TestForLooksUpOnlyWhatIsAllowed(t *testing.T) {
	t.Parallel()
	var asked []string
	r := &secret.Resolver{
		Getenv: func(name string) string { asked = append(asked, name); return "hunter2" },
		Policy: secret.Policy{Grants: []secret.Grant{{Ref: "env:A", Hosts: []string{"a"}}}},
	}
	got, err := r.For(t.Context(), "env:A", "a:443")
	require.NoError(t, err)
	require.Equal(t, "hunter2", got)
	for _, c := range [][2]string{{"env:A", "b:443"}, {"env:B", "a:443"}, {"env:A", ""}, {"env:HEADGATE_SECRET_A", "a:443"}} {
		_, err := r.For(t.Context(), c[0], c[1])
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.Equal(t, []string{"A"}, asked)
}

package credential_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/credential"
)

func TestNamedAsAWhole(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Bearer", "X-Bearer", "assertion", "otp", "sas", "SID", "sessionId", "X-Session-Id", "oauth_verifier", "code_verifier", "X-Amzn-Oidc-Data"} {
		require.True(t, credential.Named(name), name)
	}
	for _, name := range []string{"code", "pin", "ticket", "session", "X-Session", "sasquatch", "verifier", "X-Amzn-Trace-Id"} {
		require.False(t, credential.Named(name), name)
	}
}

func TestSent(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"code": "4/0AY0e-g7xxxxxxxxxx", "Session": "0123456789abcdef", "X-Ticket": "ST-1-aA74cVvbZxK0", "a": "Bearer x", "b": "bearer\t", "c": "Basic YTpi", "d": "AWS AKIDEXAMPLE:frJIUN8=",
		"e": "AWS4-HMAC-SHA256 Credential=a/b", "f": "Token 0123456789abcdef",
	} {
		require.Equal(t, name != "b", credential.Sent(name, value), name)
	}
	for name, value := range map[string]string{
		"code": "WELCOME10", "session": "the opening of the year 2026", "ticket": "12345678901234567890", "x-code": "aaaaaaaaaaaaaaaaaaaa", "pin": "0123456789abcdef", "other": "0123456789abcdef",
		"a": "Basic annual", "b": "Bearer of news", "c": "Token expired", "d": "", "e": "Bearer", "f": "AWS region",
	} {
		require.False(t, credential.Sent(name, value), name)
	}
}

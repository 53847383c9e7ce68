package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// The secret behind a reference may not be valid. The log says so, and does not show it.
func TestWeakSecretsAreSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verify, secret, says string
	}{
		"standard":       {incoming.Standard, signature.NewSecret(), ""},
		"standard short": {incoming.Standard, "whsec_c2hvcnQ=", "verifies no webhook"},
		"standard other": {incoming.Standard, "hunter2", "verifies no webhook"},
		"github":         {"github", strings.Repeat("s", 16), ""},
		"github short":   {"github", "hunter2", "is short"},
		"bearer short":   {incoming.Bearer, "hunter2", "is short"},
		"none":           {incoming.None, "hunter2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			a := &App{o: Options{Log: slog.New(slog.NewTextHandler(&log, nil))}}
			a.warnOfSecrets("hooks.a.verify.secrets", c.verify, []string{c.secret})
			if c.says == "" {
				require.Empty(t, log.String())
				return
			}
			require.Contains(t, log.String(), c.says)
			require.Contains(t, log.String(), "setting=hooks.a.verify.secrets index=0")
			require.NotContains(t, log.String(), c.secret)
		})
	}
}

// So is a secret of tokens that verifies none, and a former secret that makes no difference.
func TestSecretsOfTokensThatVerifyNoneAreSaid(t *testing.T) {
	t.Parallel()
	present, former := strings.Repeat("s", 32), strings.Repeat("f", 32)
	for _, c := range []struct{ secret, former, says, setting string }{
		{"", "", "", ""},
		{present, "", "", ""},
		{present, former, "", ""},
		{"hunter2", "", "no token is accepted", "setting=live.token.secret"},
		{present, "hunter2", "its tokens are refused", "setting=live.token.formerSecret"},
		{present, present, "is the present one", "setting=live.token.formerSecret"},
	} {
		var log bytes.Buffer
		a := &App{o: Options{Log: slog.New(slog.NewTextHandler(&log, nil))}}
		a.warnOfTokens(c.secret, c.former)
		if c.says == "" {
			require.Empty(t, log.String())
			continue
		}
		require.Contains(t, log.String(), c.says)
		require.Contains(t, log.String(), c.setting+"\n")
		require.NotContains(t, log.String(), "hunter2")
		require.NotContains(t, log.String(), present)
	}
}

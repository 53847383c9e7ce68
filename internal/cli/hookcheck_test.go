package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// config check shows what a hook's expressions make of a sample of its sender.
func TestConfigCheckShowsHooks(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(`{"hooks": [
		{"name": "code", "verify": {"type": "github", "secrets": ["s3cret"]}, "when": "headers['x-github-event'] == 'push' && body.ref == 'refs/heads/main'",
		 "entity": "'repos'", "id": "body.repository.full_name", "signal": true},
		{"name": "typo", "verify": {"type": "stripe", "secrets": ["s3cret"]}, "when": "body.kind == 'x'", "sync": "s"},
		{"name": "sms", "verify": {"type": "twilio", "secrets": ["s3cret"]}, "webhookId": "body.MessageSid", "sync": "s"},
		{"name": "plain", "verify": {"type": "none"}, "when": "true", "sync": "s", "maxBytes": 10}]}`))
	require.NoError(t, err)
	var out bytes.Buffer
	for _, h := range cfg.Hooks {
		showHook(&out, h)
	}
	require.Equal(t, `ok: hook "code", github, up to 1048576 bytes
  a push to main: taken, entity "repos", id "octocat/Hello-World"
  a ping: dropped
ok: hook "typo", stripe, up to 1048576 bytes
  a charge: refused with 400: when: there is no "kind" (at 1:5)
ok: hook "sms", twilio, up to 1048576 bytes
  a message: taken, webhookId "SM1"
ok: hook "plain", none, up to 10 bytes
`, out.String())
}

// Every sample can be read, whatever its sender.
func TestHookSamples(t *testing.T) {
	t.Parallel()
	for verify, list := range hookSamples {
		for _, s := range list {
			require.Equal(t, "taken", outcome(config.Hook{Verify: config.HookVerify{Type: verify}}, s), s.what)
		}
	}
}

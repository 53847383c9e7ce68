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

// config check warns of entities that a hook signals although no client can get them, whether
// they are the same for all webhooks or the sender's.
func TestConfigCheckWarnsOfSignals(t *testing.T) {
	t.Parallel()
	const nobody = `: while there are no records of it, its signals reach nobody` + "\n"
	for hook, want := range map[string]string{
		`"entity": "'repos'", "id": "body.id"`: `warning: hook "h": live.resolvers does not name the entity "repos"` + nobody,
		`"entity": "'acme/' + headers['x-github-event']", "id": "'1'", "when": "headers['x-github-event'] != 'ping'"`: `warning: hook "h": live.resolvers does not name the entity "acme/push"` + nobody,
		`"entity": "'r' + body.ref", "id": "'1'"`:             `warning: hook "h": live.resolvers does not name the entity "rrefs/heads/main"` + nobody,
		`"entity": "'resolved'", "id": "body.id"`:             "",
		`"entity": "'task-lists'", "id": "body.id"`:           "",
		`"entity": "'headgate/status'", "id": "body.id"`:      "",
		`"entity": "'other/drafts'", "id": "body.id"`:         `warning: hook "h": live.resolvers does not name the entity "other/drafts"` + nobody,
		`"entity": "'acme/declared'", "id": "body.id"`:        "",
		`"entity": "'declared'", "id": "body.id"`:             `warning: hook "h": live.resolvers does not name the entity "declared"` + nobody,
		`"entity": "body.nothing", "id": "body.id"`:           "",
		`"entity": "'repos'", "id": "body.id", "sync": "own"`: `warning: hook "h": live.resolvers does not name the entity "repos"` + nobody,
	} {
		cfg, err := config.Parse([]byte(`{"hooks": [{"name": "h", "verify": {"type": "github", "secrets": ["s3cret"]}, "signal": true, ` + hook + `}],
			"live": {"resolvers": [{"entity": "resolved", "url": "https://app.example.com/{id}"}]},
			"syncs": [{"id": "d", "orgId": "acme", "type": "pull", "datasource": {"type": "csv", "fileUrl": "f.csv", "selectedDatatypes": ["declared"]}}]}`))
		require.NoError(t, err, hook)
		var out bytes.Buffer
		warnOfSignals(&out, cfg, cfg.Hooks[0])
		require.Equal(t, want, out.String(), hook)
	}
}

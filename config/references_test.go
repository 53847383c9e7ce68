package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// Every place that may refer to a credential is found, and no text that only looks like one.
func TestReferences(t *testing.T) {
	t.Parallel()
	cfg := parse(t, `{"services": [{"serviceName": "env:NOT_A_SECRET", "trigger": {"type": "window", "observationPeriod": 60}, "endpoints": [{"eventKey": "a"}],
			"alerts": {"http": [{"url": "https://a.example.com", "secret": "env:ALERTS", "formerSecret": "env:ALERTS_FORMER"}]},
			"targets": [{"name": "t", "http": {"url": "https://b.example.com", "secret": "env:TARGET", "formerSecret": "sm://projects/p/secrets/target/versions/1"}}]}],
		"echo": {"secrets": ["sm://projects/p/secrets/echo"]},
		"hooks": [{"name": "h", "verify": {"type": "github", "secrets": ["a secret as it is", "env:HOOK"]}, "signal": true, "entity": "'a'", "id": "'b'"}],
		"live": {"token": {"secret": "env:HOOK", "audience": "x"}},
		"sync": {"secrets": [{"ref": "env:SYNC", "hosts": ["api.example.com"]}]},
		"syncs": [{"id": "s", "orgId": "o", "type": "pull", "datasource": {"type": "api", "url": "https://api.example.com", "options": {"auth": {"token": "env:SYNC"}}}}]}`)
	require.Equal(t, []config.Reference{
		{Path: "$.services[0].alerts.http[0].secret", Ref: "env:ALERTS"},
		{Path: "$.services[0].alerts.http[0].formerSecret", Ref: "env:ALERTS_FORMER"},
		{Path: "$.services[0].targets[0].http.secret", Ref: "env:TARGET"},
		{Path: "$.services[0].targets[0].http.formerSecret", Ref: "sm://projects/p/secrets/target/versions/1"},
		{Path: "$.sync.secrets[0].ref", Ref: "env:SYNC"},
		{Path: "$.syncs[0].datasource.options.auth.token", Ref: "env:SYNC"},
		{Path: "$.live.token.secret", Ref: "env:HOOK"},
		{Path: "$.echo.secrets[0]", Ref: "sm://projects/p/secrets/echo"},
		{Path: "$.hooks[0].verify.secrets[1]", Ref: "env:HOOK"},
	}, cfg.References())
	set := map[string]string{"ALERTS": "x", "ALERTS_FORMER": "x", "TARGET": "x", "SYNC": "x"}
	require.Equal(t, []string{"the environment variable HOOK, which $.live.token.secret and $.hooks[0].verify.secrets[1] refer to, is not set here"},
		cfg.Unset(func(name string) string { return set[name] }))
}

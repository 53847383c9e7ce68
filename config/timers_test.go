package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

const queueField = `"queue":"projects/p-1/locations/europe-west1/queues/windows"`

// timed returns a configuration with timers.
func timed(trigger, timers, more string) string {
	return `{"serviceName":"s","trigger":{"type":"window","observationPeriod":60` + trigger + `},"endpoints":[{"eventKey":"a"}],
		"targetPubSub":{"topic":"projects/p-1/topics/t-1"},"timers":{` + timers + `}` + more + `}`
}

func TestTimers(t *testing.T) {
	t.Parallel()
	const anchored, url = `,"window":"anchored"`, `,"url":"https://check.example.com"`
	auth := func(email, role, audience string) string {
		return `,"auth":{"oidc":{"audiences":["` + audience + `"],"members":[{"email":"` + email + `","roles":["` + role + `"]}]}}`
	}
	const account = `,"serviceAccount":"t@p-1.iam.gserviceaccount.com"`
	for name, c := range map[string]struct{ text, says string }{
		"whole":              {timed(anchored, queueField+url+account, ""), ""},
		"publicURL":          {timed(anchored, queueField, `,"publicURL":"https://h.example.com/"`), ""},
		"a member":           {timed(anchored, queueField+url+account, auth("T@p-1.iam.gserviceaccount.com", "operate", "https://check.example.com")), ""},
		"no URL":             {timed(anchored, queueField, ""), "$.timers.url: is required where there is no publicURL"},
		"http":               {timed(anchored, queueField+`,"url":"http://h"`, ""), "$.timers.url: must be https"},
		"sliding":            {timed("", queueField+url, ""), "$.timers: go with window anchored, tumbling or session only"},
		"no queue":           {timed(anchored, `"url":"https://h"`, ""), "$.timers.queue: is required"},
		"malformed":          {timed(anchored, strings.Replace(queueField, "queues/", "queue/", 1)+url, ""), "$.timers.queue: must be projects/<project>/locations/<location>/queues/<name>"},
		"a member of all":    {timed(anchored, queueField+url+account, `,"auth":{"members":[{"email":"t@p-1.iam.gserviceaccount.com","roles":["operate"]}],"oidc":{"audiences":["https://check.example.com"]}}`), ""},
		"by the proxy only":  {timed(anchored, queueField+url+account, `,"auth":{"members":[{"email":"t@p-1.iam.gserviceaccount.com","roles":["operate"]}],"iap":{"audiences":["/projects/1/locations/europe-west1/services/headgate"]}}`), "and auth have oidc"},
		"no account":         {timed(anchored, queueField+url, auth("t@p-1.iam.gserviceaccount.com", "operate", "https://check.example.com")), "$.timers.serviceAccount: is required beside auth"},
		"another role":       {timed(anchored, queueField+url+account, auth("t@p-1.iam.gserviceaccount.com", "read", "https://check.example.com")), `$.timers.serviceAccount: must be in auth.members or auth.oidc.members with the role "operate"`},
		"another audience":   {timed(anchored, queueField+url+account, auth("t@p-1.iam.gserviceaccount.com", "operate", "https://other.example.com")), "$.timers.url: must be in auth.oidc.audiences"},
		"no identity tokens": {timed(anchored, queueField+url+account, `,"auth":{"tokens":[{"name":"n","sha256":"`+strings.Repeat("0", 64)+`","roles":["operate"]}]}`), "$.timers.serviceAccount: must be in auth.members or auth.oidc.members"},
	} {
		cfg, err := config.Parse([]byte(c.text))
		if c.says == "" {
			require.NoError(t, err, name)
			require.NotContains(t, strings.TrimPrefix(cfg.TimersURL(cfg.Services[0]), "https://"), "/", name)
			continue
		}
		require.ErrorContains(t, err, c.says, name)
	}
}

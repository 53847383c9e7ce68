package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

const (
	whsec     = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
	workflows = "https://workflowexecutions.googleapis.com/v1/projects/p/locations/l/workflows/w/executions"
)

// targeted is a service with these targets, and without targetPubSub.
func targeted(targets, more string) string {
	return strings.Replace(valid, `"targetPubSub": {"topic": "`+topic+`"}`, `"targets": [`+targets+`]`+more, 1)
}

func TestTargets(t *testing.T) {
	t.Parallel()
	doc := targeted(`{"name": "bus", "pubsub": {"topic": "`+topic+`"}},
		{"name": "workflow", "http": {"url": "`+workflows+`", "oauth": true, "body": {"argument": "{cloudEvent}"}}},
		{"name": "scoped", "http": {"url": "https://storage.googleapis.com/x", "oauth": {"scopes": ["a", "b"]}}},
		{"name": "run", "http": {"url": "https://run.example/path?x=1", "oidc": true}},
		{"name": "other", "http": {"url": "http://localhost:8080/", "oidc": {"audience": "https://a.example"}}},
		{"name": "signed", "http": {"url": "https://a.example/", "secret": "env:NAME"}},
		{"name": "plain", "http": {"url": "https://a.example/", "oidc": false, "oauth": false}},
		{"name": "load", "sync": {"id": "readings"}}`, `, "onMessage": {"sync": "report"}`)
	cfg := parse(t, doc)
	require.NoError(t, validateSchema(t, compileSchema(t), doc))
	require.NoError(t, validateSchema(t, compileSchema(t), string(cfg.JSON())))
	require.Equal(t, string(cfg.JSON()), string(parse(t, string(cfg.JSON())).JSON()))
	s := cfg.Services[0]
	all := s.AllTargets()
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.Name
	}
	require.Equal(t, []string{"bus", "workflow", "scoped", "run", "other", "signed", "plain", "load", "sync:report"}, names)
	require.Equal(t, []string{topic}, s.Topics())
	require.Equal(t, []string{"readings", "report"}, s.SyncsStarted())
	for i, want := range map[int]struct {
		audience string
		scopes   []string
	}{
		1: {"", []string{"https://www.googleapis.com/auth/cloud-platform"}}, 2: {"", []string{"a", "b"}},
		3: {"https://run.example/path", nil}, 4: {"https://a.example", nil}, 5: {}, 6: {},
	} {
		require.Equal(t, want.audience, all[i].HTTP.Audience())
		require.Equal(t, want.scopes, all[i].HTTP.Scopes())
	}
	require.Equal(t, []config.Target{{Name: "pubsub", PubSub: &config.TargetPubSub{Topic: topic}}}, parse(t, valid).Services[0].AllTargets())
}

func TestFaultsOfTargets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ targets, want string }{
		"none":           {``, "$.targets: must have at least one target\n$.targetPubSub: is required"},
		"no name":        {`{"sync": {"id": "s"}}`, "$.targets[0].name: is required"},
		"colon in name":  {`{"name": "sync:s", "sync": {"id": "s"}}`, `$.targets[0].name: must be letters, digits, . _ ~ -, not "sync:s"`},
		"nothing":        {`{"name": "a"}`, "$.targets[0]: must have one of pubsub, http and sync"},
		"two":            {`{"name": "a", "sync": {"id": "s"}, "pubsub": {"topic": "` + topic + `"}}`, "$.targets[0]: must have one of pubsub, http and sync"},
		"same names":     {`{"name": "a", "sync": {"id": "s"}}, {"name": "a", "sync": {"id": "t"}}`, `$.targets[1].name: targets[0] and targets[1] have the same name "a"`},
		"no URL":         {`{"name": "a", "http": {}}`, "$.targets[0].http.url: is required"},
		"other URL":      {`{"name": "a", "http": {"url": "ftp://a/"}}`, `$.targets[0].http.url: must be an http or https URL, not "ftp://a/"`},
		"http":           {`{"name": "a", "http": {"url": "http://a.example/"}}`, "$.targets[0].http.url: must use https"},
		"user":           {`{"name": "a", "http": {"url": "https://u:hidden@a.example/"}}`, "$.targets[0].http.url: must have no credentials and no fragment, and at most 2000 bytes"},
		"secret":         {`{"name": "a", "http": {"url": "https://a.example/", "secret": "hidden"}}`, "$.targets[0].http.secret: is not a secret of Standard Webhooks: whsec_ and base64 of at least 16 bytes"},
		"former secret":  {`{"name": "a", "http": {"url": "https://a.example/", "secret": "env:A", "formerSecret": "hidden"}}`, "$.targets[0].http.formerSecret: is not a secret of Standard Webhooks: whsec_ and base64 of at least 16 bytes"},
		"former alone":   {`{"name": "a", "http": {"url": "https://a.example/", "oidc": true, "formerSecret": "env:A"}}`, "$.targets[0].http.formerSecret: goes with secret"},
		"former present": {`{"name": "a", "http": {"url": "https://a.example/", "secret": "env:A", "formerSecret": "env:A"}}`, "$.targets[0].http.formerSecret: is the same as secret: name the one before the change, or leave it out"},
		"several proofs": {`{"name": "a", "http": {"url": "` + workflows + `", "oidc": true, "oauth": true}}`, "$.targets[0].http: may have one of oidc, oauth and secret"},
		"oauth":          {`{"name": "a", "http": {"url": "https://googleapis.com.example/", "oauth": true}}`, "$.targets[0].http.oauth: would give googleapis.com.example a token for Google's APIs: it is for hosts of googleapis.com; use oidc"},
		"oidc":           {`{"name": "a", "http": {"url": "https://a.example/", "oidc": "x"}}`, `$.targets[0].http.oidc: must be true, false or an object with "audience"`},
		"audience":       {`{"name": "a", "http": {"url": "https://a.example/", "oidc": {"audience": ""}}}`, "$.targets[0].http.oidc.audience: must be a text that is not empty"},
		"misspelt":       {`{"name": "a", "http": {"url": "` + workflows + `", "oauth": {"scope": "x"}}}`, "$.targets[0].http.oauth.scope: unknown field; the field is scopes"},
		"scopes":         {`{"name": "a", "http": {"url": "` + workflows + `", "oauth": {"scopes": ["x", 1]}}}`, "$.targets[0].http.oauth.scopes: must be a list of one or more texts that are not empty"},
		"body":           {`{"name": "a", "http": {"url": "https://a.example/", "body": {"x": ["{events}"]}}}`, "$.targets[0].http.body: there is no {events}: the names are message, messageBase64, cloudEvent, cloudEventBase64, eventID, claimID, serviceName, triggerType, correlationKey, completion"},
		"all at once": {`{"name": "", "sync": {}}, {"name": "b", "http": {"url": "http://b.example/", "secret": "x"}}`,
			"$.targets[0].name: must not be empty\n$.targets[0].sync.id: is required\n$.targets[1].http.url: must use https\n$.targets[1].http.secret: is not a secret of Standard Webhooks: whsec_ and base64 of at least 16 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse([]byte(targeted(test.targets, "")))
			require.EqualError(t, err, test.want)
			require.NotContains(t, err.Error(), "hidden")
		})
	}
	_, err := config.Parse([]byte(with(`"targets": [{"name": "pubsub", "sync": {"id": "s"}}]`)))
	require.EqualError(t, err, `$.targets[0].name: "pubsub" is the name of targetPubSub`)
}

func TestSecretsOfTargetsAreNotShown(t *testing.T) {
	t.Parallel()
	cfg := parse(t, targeted(`{"name": "a", "http": {"url": "https://a.example/?token=hidden", "secret": "`+whsec+`", "body": {"apiKey": "hidden"}}},
		{"name": "b", "http": {"url": "https://a.example/", "secret": "sm://projects/p/secrets/s"}}`,
		`, "alerts": {"http": [{"url": "https://a.example/?token=hidden", "secret": "`+whsec+`"}]}`))
	for _, shown := range [][]byte{cfg.JSON(), cfg.Services[0].JSON()} {
		require.NotContains(t, string(shown), "hidden")
		require.NotContains(t, string(shown), whsec)
		require.Contains(t, string(shown), "sm://projects/p/secrets/s")
	}
	require.Equal(t, whsec, cfg.Services[0].Targets[0].HTTP.Secret, "the configuration itself keeps it")
	require.Equal(t, whsec, cfg.Services[0].Alerts.HTTP[0].Secret)
}

// Whoever gets an access token can use Google's APIs in our name.
func TestAccessTokensAreForGoogleOnly(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"https://xgoogleapis.com/", "https://googleapis.com.example/", "https://a.googleapis.com.example/", "https://a.example/googleapis.com", "https://a.example/?.googleapis.com",
		"https://a.example/#.googleapis.com", "https://a.googleapis.com@a.example/", "https://a:b@storage.googleapis.com/", "https://a.example:443/.googleapis.com", "http://a.googleapis.com/",
		"https://a.example%2e.googleapis.com/", `https://a.example\\.googleapis.com/`, "https://a.example%00.googleapis.com/", "https://[::1].googleapis.com/", "https://a.googleapis.com./",
		"https://a.ｇoogleapis.com/", "https://googleapiſ.com/", "https://10.0.0.7/", "https://127.0.0.1.example/", "https://localhost.example/",
	} {
		_, err := config.Parse([]byte(targeted(`{"name": "a", "http": {"url": "`+url+`", "oauth": true}}`, "")))
		require.Error(t, err, url)
	}
	for _, url := range []string{"https://googleapis.com/", "https://A.GoogleAPIs.com:443/x?y=z", "https://eu-run.a.googleapis.com/", "http://127.0.0.1:8080/", "http://[::1]:8080/", "HTTPS://a.googleapis.com/"} {
		_, err := config.Parse([]byte(targeted(`{"name": "a", "http": {"url": "`+url+`", "oauth": true}}`, "")))
		require.NoError(t, err, url)
	}
}

package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

func parse(t testing.TB, doc string) *config.Config {
	cfg, err := config.Parse([]byte(doc))
	require.NoError(t, err)
	return cfg
}

// unredact makes what JSON wrote parseable again.
func unredact(doc []byte) string {
	return strings.ReplaceAll(string(doc), `"sha256": "REDACTED"`, `"sha256": "`+hash+`"`)
}

// readme is the sample of EventSync's documentation, with the deployment's names.
const readme = `{
    "serviceName": "My First Event Sync",
    "trigger": {
        "type": "window",
        "observationPeriod": 3600,
        "keepEventAfterTrigger": false
    },
    "endpoints":[
        { "eventKey": "entry1"},
        { "eventKey": "entry2"}
    ],
    "targetPubSub":{
        "topic": "projects/my-project-1234/topics/event-sync"
    }
}`

func TestEventSyncSample(t *testing.T) {
	t.Parallel()
	cfg := parse(t, readme)
	require.Equal(t, []config.Service{{
		ServiceName: "My First Event Sync",
		Trigger:     config.Trigger{Type: "window", ObservationPeriod: 3600},
		Endpoints: []config.Endpoint{
			{EventKey: "entry1", EventToSend: "ALL", MinNbOfOccurrence: 1},
			{EventKey: "entry2", EventToSend: "ALL", MinNbOfOccurrence: 1},
		},
		TargetPubSub:  config.TargetPubSub{Topic: "projects/my-project-1234/topics/event-sync"},
		MaxEventBytes: 1 << 20, MaxMessageBytes: 9_900_000, RetentionDays: 7,
	}}, cfg.Services)
	require.Nil(t, cfg.Auth)
	require.Nil(t, cfg.CORS)
	require.JSONEq(t, `{
		"serviceName": "My First Event Sync",
		"trigger": {"type": "window", "observationPeriod": 3600, "keepEventAfterTrigger": false},
		"endpoints": [
			{"eventKey": "entry1", "eventToSend": "ALL", "minNbOfOccurrence": 1},
			{"eventKey": "entry2", "eventToSend": "ALL", "minNbOfOccurrence": 1}
		],
		"targetPubSub": {"topic": "projects/my-project-1234/topics/event-sync"},
		"maxEventBytes": 1048576, "maxMessageBytes": 9900000, "retentionDays": 7, "asyncEventTrigger": false
	}`, string(cfg.JSON()))
	require.JSONEq(t, string(cfg.JSON()), string(cfg.Services[0].JSON()))
}

func TestExampleService(t *testing.T) {
	t.Parallel()
	s := parse(t, string(config.Example())).Services[0]
	require.Equal(t, "My First Event Sync", s.ServiceName)
	require.Equal(t, "projects/headgate-local/topics/sync", s.TargetPubSub.Topic)
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, doc string }{
		{"byte order mark", "\ufeff" + valid},
		{"field names in any letter case", strings.NewReplacer(`"observationPeriod"`, `"ObservationPeriod"`, `"eventKey"`, `"EVENTKEY"`).Replace(valid)},
		{"Firestore's forbidden names", change(t, `"s"`, `"__x__"`)},
		{"a dot", change(t, `"s"`, `"."`)},
		{"slashes", change(t, `"s"`, `"/x/y/"`)},
		{"Unicode", change(t, `"s"`, `"données \u2028 🚪"`)},
		{"2,000 characters", change(t, `"s"`, `"`+strings.Repeat("é", 2000)+`"`)},
		{"a longest period", change(t, `60`, `31622400`)},
		{"key of segments", change(t, `"b"`, `"b/c.d/...é ?#%2e"`)},
		{"domain-scoped project", change(t, topic, `projects/example.com:my-project/topics/sync`)},
		{"project number", change(t, topic, `projects/123456789012/topics/sync`)},
		{"all characters of a topic", change(t, topic, `projects/p/topics/A-1_b.c~d+e%20`)},
		{"longest topic", change(t, topic, `projects/p/topics/`+strings.Repeat("a", 255))},
		{"EventSync's zero is the default", strings.Replace(valid, `"eventKey": "b"`, `"eventKey": "b", "minNbOfOccurrence": 0`, 1)},
		{"empty values are omitted ones", with(`"redactHeaders": [], "publicURL": ""`)},
		{"most", with(`"maxEventBytes": 8388608, "maxMessageBytes": 9900000, "retentionDays": 365`)},
		{"least", with(`"maxEventBytes": 1, "maxMessageBytes": 1024, "retentionDays": 1`)},
		{"hosts", with(`"allowedHosts": ["gate.example", "gate.example:8443", "192.168.1.5", "[::1]:80", "::1"]`)},
		{"origins", with(`"cors": {"allowedOrigins": ["*", "http://[::1]:80", "chrome-extension://abc"]}`)},
		{"one service", `{"services": [` + valid + `]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := parse(t, c.doc)
			require.Equal(t, cfg, parse(t, string(cfg.JSON())))
			require.NoError(t, validateSchema(t, compileSchema(t), string(cfg.JSON())))
		})
	}
}

func TestNormalised(t *testing.T) {
	t.Parallel()
	cfg := parse(t, strings.Replace(with(`
		"redactHeaders": ["x-api-key", "X-API-KEY", "cookie"], "keepHeaders": ["x-tenant-key", "?Key", "?Key"],
		"publicURL": "https://host/path//",
		"auth": {"tokens": [{"name": "t", "sha256": "`+strings.ToUpper(hash)+`", "roles": ["read", "ingest", "read"]}]}`),
		endpointB, `{"eventKey": "b", "acceptedHttpMethods": ["post", "Patch", "POST"], "eventToSend": "boundaries", "minNbOfOccurrence": 0}`, 1))
	require.Equal(t, config.Endpoint{
		EventKey: "b", AcceptedHTTPMethods: []string{"POST", "PATCH"}, EventToSend: "BOUNDARIES", MinNbOfOccurrence: 1,
	}, cfg.Services[0].Endpoints[1])
	require.Equal(t, []string{"X-Api-Key", "Cookie"}, cfg.Services[0].RedactHeaders)
	require.Equal(t, []string{"X-Tenant-Key", "?Key"}, cfg.Services[0].KeepHeaders)
	require.Equal(t, "https://host/path", cfg.PublicURL)
	require.Equal(t, []config.Token{{Name: "t", SHA256: hash, Roles: []string{"read", "ingest"}}}, cfg.Auth.Tokens)
}

// Fields that a section omits get their defaults, and so does a section that is omitted.
func TestEffective(t *testing.T) {
	t.Parallel()
	cfg := parse(t, with(`
		"live": {"resolvers": [{"entity": "e", "url": "https://h/{id}"}], "framesPerSecond": 7}, "sync": {}, "echo": {},
		"hooks": [
			{"name": "a", "verify": {"type": "github", "secrets": ["x"]}, "event": {"eventKey": "b"}},
			{"name": "b", "verify": {"type": "github", "secrets": ["x"], "header": "X-Sig"}, "sync": "s"}
		],
		"drafts": [{"name": "d", "externalData": {"url": "https://h"}}]`))
	require.Equal(t, &config.Live{
		Path: "/ws/entity-sync/", MaxSubscriptions: 1000, MaxFrameBytes: 64 << 10, FramesPerSecond: 7, CompareSeconds: 300,
		Resolvers: []config.LiveResolver{{Entity: "e", URL: "https://h/{id}", TimeoutSeconds: 5}},
	}, cfg.Live)
	require.Equal(t, &config.Sync{RatePerSecond: 50}, cfg.Sync)
	require.Equal(t, &config.Echo{MaxBytes: 1 << 20}, cfg.Echo)
	require.Equal(t, "X-Hub-Signature-256", cfg.Hooks[0].Verify.Header)
	require.Equal(t, "s", cfg.Hooks[0].Event.ServiceName)
	require.Equal(t, "X-Sig", cfg.Hooks[1].Verify.Header)
	require.Equal(t, "d", cfg.Drafts[0].ExternalData.List)
	require.Contains(t, string(cfg.JSON()), `"ratePerSecond": 50`)

	cfg = parse(t, valid)
	require.Nil(t, cfg.Live)
	require.Equal(t, &config.Live{Path: "/ws/entity-sync/", MaxSubscriptions: 1000, MaxFrameBytes: 64 << 10, FramesPerSecond: 50, CompareSeconds: 300}, cfg.LiveSettings())
	require.Equal(t, &config.Sync{RatePerSecond: 50}, cfg.SyncSettings())
}

// EventSync's GET /config writes omitted fields as null.
func TestNullIsOmitted(t *testing.T) {
	t.Parallel()
	doc := strings.NewReplacer(`60`, `60, "keepEventAfterTrigger": null`,
		endpointB, `{"eventKey": "b", "acceptedHttpMethods": null, "eventToSend": null, "minNbOfOccurrence": null}`).Replace(valid)
	require.Equal(t, parse(t, valid), parse(t, doc))
	require.NoError(t, validateSchema(t, compileSchema(t), doc))
}

func TestJSONRedacts(t *testing.T) {
	t.Parallel()
	cfg := parse(t, with(`"auth": {"tokens": [`+token+`]}, "publicURL": "https://a&b", "cors": {"allowedOrigins": ["*"]}`))
	doc := cfg.JSON()
	require.NotContains(t, string(doc), hash)
	require.Contains(t, string(doc), `"sha256": "REDACTED"`)
	require.Contains(t, string(doc), "https://a&b")
	require.Equal(t, hash, cfg.Auth.Tokens[0].SHA256, "JSON changed the configuration")
	require.Equal(t, cfg, parse(t, unredact(doc)))
}

// A URL may hold a credential as its user or in its query.
func TestJSONRedactsURLs(t *testing.T) {
	t.Parallel()
	const url = `"https://user:s3cret@h.example/a/b?id={id}&key=s3cret"`
	more := `"echo": {"upstream": ` + url + `}, "drafts": [{"name": "a", "externalData": {"url": ` + url + `}}],
		"live": {"resolvers": [{"entity": "e", "url": ` + url + `}], "passThrough": {"url": ` + url + `},
			"token": {"jwksURL": "https://s3cret@h.example", "audience": "a"}}`
	for _, doc := range []string{with(more), `{"services": [` + valid + `], ` + more + `}`} {
		cfg := parse(t, doc)
		shown := string(cfg.JSON())
		require.NotContains(t, shown, "s3cret")
		require.Equal(t, 4, strings.Count(shown, `"https://REDACTED@h.example/a/b?id={id}&key=REDACTED"`), shown)
		require.Contains(t, shown, `"https://REDACTED@h.example"`)
		require.Equal(t, cfg, parse(t, doc), "JSON changed the configuration")
	}
}

// Only the ids of declared syncs are shown: this package does not know which of their
// options are credentials.
func TestJSONShowsNoDeclaredDefinition(t *testing.T) {
	t.Parallel()
	cfg := parse(t, with(`"syncs": [{"id": "a", "datasource": {"options": {"password": "s3cret"}}}, {"data": {"id": "b"}}]`))
	require.NotContains(t, string(cfg.JSON()), "s3cret")
	again := parse(t, string(cfg.JSON()))
	require.Len(t, again.Syncs, 2)
	require.JSONEq(t, `{"id": "a"}`, string(again.Syncs[0]))
	require.JSONEq(t, `{"id": "b"}`, string(again.Syncs[1]))
	require.NoError(t, validateSchema(t, compileSchema(t), string(cfg.JSON())))
}

func TestJSONKeepsTheForm(t *testing.T) {
	t.Parallel()
	require.NotContains(t, string(parse(t, valid).JSON()), `"services"`)
	require.Contains(t, string(parse(t, `{"services": [`+valid+`]}`).JSON()), `"services"`)
	require.Contains(t, string((&config.Config{Services: []config.Service{{}}}).JSON()), `"services"`)
}

func TestApplyEnv(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		async, cors string
		wantAsync   bool
		wantSends   bool
	}{
		{},
		{async: "true", wantAsync: true},
		{async: "TRUE", wantAsync: true},
		{async: "tRuE", wantAsync: true},
		{async: "false"},
		{async: "1"},
		{async: "t"},
		{async: " true"},
		{async: "yes"},
		{cors: "false", wantSends: true},
	} {
		cfg := parse(t, `{"services": [`+valid+`,`+strings.Replace(valid, `"s"`, `"s2"`, 1)+`]}`)
		env := map[string]string{"ASYNC_EVENT_TRIGGER": c.async, "DISABLE_CORS": c.cors}
		cfg.ApplyEnv(func(name string) string { return env[name] })
		for _, s := range cfg.Services {
			require.Equal(t, c.wantAsync, s.AsyncEventTrigger, c.async)
		}
		require.Equal(t, c.wantSends, cfg.AnyOriginSends())
		require.Nil(t, cfg.CORS, "reading and operating stay closed")
	}
}

func TestCopies(t *testing.T) {
	t.Parallel()
	config.Example()[0], config.Schema()[0] = 'x', 'x'
	require.Equal(t, byte('{'), config.Example()[0])
	require.Equal(t, byte('{'), config.Schema()[0])
}

func FuzzParse(f *testing.F) {
	f.Add(config.Example())
	f.Add([]byte(readme))
	f.Add([]byte(`{"services": [` + valid + `], "auth": {"tokens": [` + token + `]}, "cors": {"allowedOrigins": ["*"]}}`))
	f.Add([]byte(with(`"publicURL": "https://h", "redactHeaders": ["a"], "auth": {"oidc": {"audiences": ["x"], "members": [{"email": "a@b", "roles": ["read"]}]}}`)))
	f.Add([]byte(`{"services": null, "endpoints": [null], "trigger": {"observationPeriod": 1e99}}`))
	f.Add([]byte("{\"a\":\n[1,]}"))
	for _, doc := range gates {
		f.Add([]byte(doc))
	}
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := config.Parse(data)
		if err != nil {
			var e *config.Error
			require.True(t, errors.As(err, &e) && len(e.Faults) > 0)
			require.Nil(t, cfg)
			return
		}
		doc := unredact(cfg.JSON())
		require.NoError(t, validateSchema(t, schema, doc))
		if cfg.Auth != nil {
			for i := range cfg.Auth.Tokens {
				cfg.Auth.Tokens[i].SHA256 = hash
			}
		}
		again := parse(t, doc)
		require.Len(t, again.Syncs, len(cfg.Syncs))
		cfg.Syncs, again.Syncs = nil, nil // of which only the ids are shown
		require.Equal(t, cfg, again)
	})
}

// A person may sign in by Identity-Aware Proxy and by an ID token, from one list.
func TestMembersOfBothWays(t *testing.T) {
	t.Parallel()
	for _, audience := range []string{
		"/projects/123456789/locations/europe-west1/services/headgate", "/projects/1/global/backendServices/4567", "/projects/1/us-central1/backendServices/4567",
	} {
		cfg := parse(t, with(`"auth": {"iap": {"audiences": ["`+audience+`"]}, "oidc": {"audiences": ["https://h"]},
			"members": [{"email": "Kate@example.com", "roles": ["read", "operate", "read"]}]}`))
		require.Equal(t, []string{audience}, cfg.Auth.IAP.Audiences)
		require.Equal(t, []config.Member{{Email: "Kate@example.com", Roles: []string{"read", "operate"}}}, cfg.Auth.Members)
	}
}

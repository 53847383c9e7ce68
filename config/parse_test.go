package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// A deployment that only has syncs, webhooks, drafts or live clients needs no gate.
func TestServicesMayBeAbsent(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, doc := range []string{
		`{"sync": {"ratePerSecond": 5}}`,
		`{"Live": {}}`,
		`{"hooks": [{"name": "h", "verify": {"type": "none"}, "sync": "readings"}]}`,
		`{"publicURL": "https://host.example", "cors": {"allowedOrigins": ["*"]}}`,
	} {
		cfg, err := config.Parse([]byte(doc))
		require.NoError(t, err, doc)
		require.Empty(t, cfg.Services)
		again := cfg.JSON()
		require.NotContains(t, string(again), "services")
		require.NoError(t, validateSchema(t, schema, string(again)))
		back, err := config.Parse(again)
		require.NoError(t, err)
		require.Equal(t, cfg, back)
	}
}

// So does one that only declares syncs.
func TestSyncsNeedNoService(t *testing.T) {
	t.Parallel()
	const doc = `{"syncs": [{"id": "readings"}]}`
	require.NoError(t, validateSchema(t, compileSchema(t), doc))
	cfg, err := config.Parse([]byte(doc))
	require.NoError(t, err)
	require.Empty(t, cfg.Services)
	require.Len(t, cfg.Syncs, 1)
}

// A list of services that is there and empty is a template that found nothing to write.
func TestWhatIsMeantAsAService(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for doc, faults := range map[string]string{
		`{"services": [], "sync": {}}`:     "$.services: must have at least one service, or be left out: then there is no gate",
		`{"servces": [], "sync": {}}`:      "$.servces: unknown field; did you mean \"services\"?",
		`{"sync": {}, "retentionDays": 3}`: "$.serviceName: is required\n$.trigger: is required\n$.endpoints: is required\n$.targetPubSub: is required",
		`{"hooks": [{"name": "h", "verify": {"type": "none"}, "event": {"eventKey": "a"}}]}`: "$.hooks[0].event: needs a service, and the configuration has none",
	} {
		_, err := config.Parse([]byte(doc))
		require.EqualError(t, err, faults, doc)
		if doc[2:7] != "hooks" { // a schema cannot say which fields go together
			require.Error(t, validateSchema(t, schema, doc), doc)
		}
	}
}

// N events of one source make one message.
func TestOneEndpointIsAGate(t *testing.T) {
	t.Parallel()
	const doc = `{"serviceName": "s", "trigger": {"type": "window", "observationPeriod": 60},
		"endpoints": [{"eventKey": "a", "minNbOfOccurrence": 3}], "targetPubSub": {"topic": "projects/my-project/topics/sync"}}`
	require.NoError(t, validateSchema(t, compileSchema(t), doc))
	cfg, err := config.Parse([]byte(doc))
	require.NoError(t, err)
	require.Len(t, cfg.Services[0].Endpoints, 1)
}

package gate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/gate"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ trigger, more, want string }{
		{`"observationPeriod":3600`, ``, ``},
		{`"observationPeriod":5400,"condition":"a || b"`, ``, `sliding over 1h30m; complete with a or b`},
		{`"observationPeriod":3600,"window":"anchored","onClose":"partial"`, `,"correlation":{"key":"event.body.orderId"}`,
			`anchored for 1h, by event.body.orderId; complete with a and b; else partial`},
		{`"observationPeriod":90,"window":"session","maxPeriod":600,"release":"close"`, ``,
			`a session until 1m30s pass without an event, at most 10m; complete with a and b, sent when it closes; else drop`},
		{`"window":"tumbling","every":"day","at":"06:00","timeZone":"Europe/Berlin","eventTime":"event.body.at","onClose":"deadLetter"`, `,"deadLetter":{"topic":"projects/p-1/topics/dead"}`,
			`every day at 06:00 Europe/Berlin, by the time event.body.at; complete with a and b; else dead letter`},
		{`"window":"tumbling","every":900`, ``, `every 900 seconds; complete with a and b; else drop`},
	} {
		cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window",` + c.trigger + `},"endpoints":[` + twoEndpoints + `],"targetPubSub":{"topic":"` + topic + `"}` + c.more + `}`))
		require.NoError(t, err)
		require.Equal(t, c.want, gate.Words(cfg.Services[0]))
	}
}

func TestEndpointWords(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		`"eventKey":"a b"`: `"a b": any method but HEAD and OPTIONS; needs 1; sends all`,
		`"eventKey":"a","acceptedHttpMethods":["post","head"],"minNbOfOccurrence":2,"maxNbOfOccurrence":5,"eventToSend":"boundaries"`: `"a": POST, HEAD; needs 2, takes 5; sends the first and the last`,
		`"eventKey":"a","optional":true,"eventToSend":"LAST"`:                                                                         `"a": any method but HEAD and OPTIONS; optional; sends the last`,
	} {
		cfg, err := config.Parse([]byte(`{"serviceName":"s","trigger":{"type":"window","observationPeriod":60},"endpoints":[{` + endpoint + `},{"eventKey":"z"}],"targetPubSub":{"topic":"` + topic + `"}}`))
		require.NoError(t, err)
		require.Equal(t, want, gate.EndpointWords(cfg.Services[0].Endpoints[0]))
	}
	require.NotEqual(t, gate.KeepWords(config.Trigger{}), gate.KeepWords(config.Trigger{KeepEventAfterTrigger: true}))
}

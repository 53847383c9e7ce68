package functions

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
)

const (
	carriedTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	pushedTrace  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

func tracedGateway(t *testing.T, cfgJSON string) (*gateway, *tracetest.Recorder) {
	t.Helper()
	cfg, err := config.Parse([]byte(cfgJSON))
	require.NoError(t, err)
	spans := &tracetest.Recorder{}
	return newGatewayWith(t, cfg, false, func(_ *gateway, o *app.Options) { o.Tracer = trace.New(spans) }), spans
}

// Pub/Sub's push has a trace of its own. The sync that it brings a message for continues the
// message's.
func TestAPushedMessageContinuesItsTrace(t *testing.T) {
	t.Parallel()
	g, spans := tracedGateway(t, oneService(`,"onMessage":{"sync":"readings"}`))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	g.event("entry1", "x")
	g.event("entry2", "x")
	m := g.bus.all()[0]
	m.Attributes["traceparent"] = carriedTrace
	require.Equal(t, 204, g.do("POST", "/sync/message", push(m.Attributes, string(m.Data)), "Traceparent", pushedTrace).status)
	request := spans.Named("POST /sync/message")
	process, run := spans.Named("process message"), spans.Named("sync run")
	require.Len(t, request, 1)
	require.Len(t, process, 1)
	require.Len(t, run, 1)
	require.Equal(t, trace.Parse(pushedTrace), request[0].Parent)
	require.Equal(t, trace.Parse(carriedTrace), process[0].Parent)
	require.Equal(t, []trace.Context{request[0].Context}, process[0].Links)
	require.Equal(t, "projects/p/subscriptions/s", process[0].Attributes["messaging.destination.subscription.name"])
	require.Equal(t, process[0].Context, run[0].Parent)
	require.Equal(t, "finished", run[0].Attributes["headgate.run.state"])
	runs := g.do("GET", "/sync/readings/runs", "").list("runs")
	require.Equal(t, process[0].String(), runs[0]["traceparent"])
}

// What carries an event may have begun a trace of its own. Then the event's is linked.
func TestAnEventsOwnTraceIsLinked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body    string
		headers []string
	}{
		"a CloudEvent":         {"x", []string{"Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t", "Ce-Specversion", "1.0", "Ce-Traceparent", carriedTrace}},
		"a push":               {push(map[string]string{"traceparent": carriedTrace}, "x"), nil},
		"a CloudEvent in JSON": {`{"specversion":"1.0","id":"1","source":"/s","type":"t","traceparent":"` + carriedTrace + `"}`, []string{"Content-Type", "application/cloudevents+json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, spans := tracedGateway(t, oneService(""))
			require.Equal(t, 200, g.do("POST", "/event/entry1", c.body, append(c.headers, "Traceparent", pushedTrace)...).status)
			request := spans.Named("POST /event/{key...}")
			require.Len(t, request, 1)
			require.Equal(t, trace.Parse(pushedTrace), request[0].Parent)
			require.Equal(t, []trace.Context{trace.Parse(carriedTrace)}, request[0].Links)
			require.Equal(t, 200, g.do("GET", "/healthz", "").status)
			require.Empty(t, spans.Named("GET /healthz"), "the platform asks every few seconds")

			events := string(g.do("GET", "/events", "").raw)
			require.Contains(t, events, `"traceparent":"`+request[0].String()+`"`)
		})
	}
}

package e2e_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/headgate/headgate/internal/platform/telemetry/otlptest"
	"github.com/headgate/headgate/internal/platform/trace"
)

// The traces of two sources, and the spans in them from which they call.
const (
	traceA, callerA = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	traceB, callerB = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
)

// traced has a process's environment for tracing.
func traced(r *otlptest.Receiver) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_METRICS_EXPORTER=none", "OTEL_BSP_SCHEDULE_DELAY=50"}
}

// sendTraced sends an event from a source that has a trace.
func (p *process) sendTraced(t *testing.T, key, traceID, caller string) receipt {
	t.Helper()
	resp, body, err := p.call("POST", "/event/"+key, "x", "Traceparent", "00-"+traceID+"-"+caller+"-01")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	var r receipt
	require.NoError(t, json.Unmarshal(body, &r))
	return r
}

// tree has the spans of one trace that were exported.
type tree struct {
	byID map[string]*traces.Span
	of   map[string][]*traces.Span // by name
}

func treeOf(r *otlptest.Receiver, traceID string) tree {
	t := tree{map[string]*traces.Span{}, map[string][]*traces.Span{}}
	spans, _ := r.Spans()
	for _, s := range spans {
		if hex.EncodeToString(s.GetTraceId()) == traceID {
			t.byID[hex.EncodeToString(s.GetSpanId())] = s
			t.of[s.GetName()] = append(t.of[s.GetName()], s)
		}
	}
	return t
}

// leads returns nil if each span is there and is a child of the one named before it. A name
// that is indented is a child of the nearest one above it that is less indented.
func (t tree) leads(caller, picture string) error {
	above := []string{caller}
	for line := range strings.Lines(picture) {
		name := strings.TrimLeft(line, "\t")
		depth := len(line) - len(name)
		name = strings.TrimSuffix(name, "\n")
		found := ""
		for _, s := range t.of[name] {
			if hex.EncodeToString(s.GetParentSpanId()) == above[depth] {
				found = hex.EncodeToString(s.GetSpanId())
			}
		}
		if found == "" {
			return fmt.Errorf("the trace has no span %q below %q: it has %d of that name", name, above[depth], len(t.of[name]))
		}
		above = append(above[:depth+1], found)
	}
	return nil
}

// whole returns nil if every span has a parent that was exported, or is the caller.
func (t tree) whole(caller string) error {
	for _, s := range t.byID {
		if parent := hex.EncodeToString(s.GetParentSpanId()); parent != caller && t.byID[parent] == nil {
			return fmt.Errorf("the parent of %q is missing", s.GetName())
		}
	}
	return nil
}

// linked returns the traces to which a span is linked.
func linked(s *traces.Span) (ids []string) {
	for _, l := range s.GetLinks() {
		ids = append(ids, hex.EncodeToString(l.GetTraceId()))
	}
	return ids
}

// One trace leads from the source whose event completes a window through commit, check, claim,
// message, bus and sync run to the record, its live clients and the webhook. The other
// source's trace is linked.
func TestOneTrace(t *testing.T) {
	t.Parallel()
	more := `"onMessage":{"sync":"wells"},"echo":{"allowTargets":["127.0.0.1"]}`
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		oneTrace(t, []string{"CONFIG=" + with(service("traced", "p"), more)}, topicOf("p"), nil)
	})
	t.Run("emulators", func(t *testing.T) {
		t.Parallel()
		env, host, project := emulated(t)
		s := consume(t, host, project, nil)
		oneTrace(t, append(env, "CONFIG="+with(service("traced "+project, project), more)), topicOf(project), s)
	})
}

func oneTrace(t *testing.T, env []string, topic string, s *consumer) {
	spans := otlptest.New(t)
	data := t.TempDir()
	wells(t, data, "wells.csv", 1, 0)
	p := start(t, options{data: data, env: append(env, traced(spans)...), args: []string{"--verbose"}})
	p.define(t, readingsOf("wells", "wells.csv", ""))
	webhooks := make(chan string, 100)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { webhooks <- r.Header.Get("Traceparent") }))
	t.Cleanup(target.Close)
	resp, body, err := p.call("POST", "/register-for-webhook", `{"url":"`+target.URL+`","types":["dev.headgate.records.changed.v1"]}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	frames := p.stream(t, "acme/reading", "*")

	p.sendTraced(t, "entry1", traceA, callerA)
	id := p.sendTraced(t, "entry2", traceB, callerB).Triggered
	require.NotNil(t, id)
	require.Contains(t, <-frames, "w0000000", "the live frame")
	sent := trace.Parse(<-webhooks)
	require.Equal(t, traceB, sent.TraceID())

	path := `POST /event/{key...}
	store events
	check window
		claim window
			publish message
				publish ` + topic + `
					process ` + topic + `
`
	const changes = `							apply page
								deliver to live clients
								deliver webhook
									POST
`
	eventually(t, "the trace is whole", func() error {
		b := treeOf(spans, traceB)
		run := b.leads(callerB, path+"\t\t\t\t\t\tsync run\n"+changes)
		if run != nil { // the gate starts the sync, too, and may be faster than the bus
			run = b.leads(callerB, path+"\t\t\t\tsync run\n"+strings.ReplaceAll(changes, "\t\t\t\t\t\t\t", "\t\t\t\t\t"))
		}
		return errors.Join(run, b.whole(callerB), treeOf(spans, traceA).whole(callerA), treeOf(spans, traceA).leads(callerA, "POST /event/{key...}\n\tstore events\n\tcheck window\n"))
	})
	b := treeOf(spans, traceB)
	require.Equal(t, "POST", b.byID[sent.SpanID()].GetName(), "the webhook names the span of its request")
	message := b.of["publish message"][0]
	require.ElementsMatch(t, []string{traceA, traceB}, linked(message))
	require.Contains(t, p.stderr.String(), "trace="+traceB)
	if s == nil {
		return
	}
	var attributes map[string]string
	eventually(t, "the message comes", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if attributes = s.attributes[*id]; attributes == nil {
			return errors.New("it has not come")
		}
		return nil
	})
	hop := trace.Parse(attributes["traceparent"])
	require.Equal(t, traceB, hop.TraceID())
	require.Equal(t, "publish "+topic, b.byID[hop.SpanID()].GetName())
	require.Equal(t, hex.EncodeToString(message.GetSpanId()), trace.Parse(attributes["ce-traceparent"]).SpanID())
}

// stream subscribes to an entity, and returns what its event stream sends about it.
func (p *process) stream(t *testing.T, entity, id string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/live?"+url.Values{"entity": {entity}, "id": {id}}.Encode(), nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	frames, subscribed, done := make(chan string, 100), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			switch {
			case !ok:
			case strings.Contains(data, `"type":"subscribed"`):
				close(subscribed)
			case strings.Contains(data, `"type":"entity"`):
				frames <- data
			}
		}
	}()
	t.Cleanup(func() { cancel(); resp.Body.Close(); <-done })
	select {
	case <-subscribed:
	case <-done:
		require.Fail(t, "the stream ended")
	}
	return frames
}

// A process that dies between a claim and the answer of the target leaves the rest to the
// next one, which continues the trace: in the message's span, and in the target's headers.
func TestTraceSurvivesKill(t *testing.T) {
	t.Parallel()
	slow(t)
	spans := otlptest.New(t)
	arrived, hangs := make(chan http.Header, 100), make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Header
		select {
		case <-hangs:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(target.Close)
	cfg := strings.Replace(service("killed", "p"), `"targetPubSub":{"topic":"projects/p/topics/sync"}`,
		`"targets":[{"name":"t","http":{"url":"`+target.URL+`"}}],"echo":{"allowTargets":["127.0.0.1"]}`, 1)
	p := start(t, options{addr: fixedPort(t), env: append(traced(spans), "CONFIG="+cfg)})
	p.sendTraced(t, "entry1", traceA, callerA)
	go func() { _, _, _ = p.call("POST", "/event/entry2", "x", "Traceparent", "00-"+traceB+"-"+callerB+"-01") }()
	first := <-arrived
	require.Equal(t, traceB, trace.Parse(first.Get("Traceparent")).TraceID())
	p.kill9()
	close(hangs)

	p = p.restart(t).listens(t)
	p.ready(t)
	var second http.Header
	eventually(t, "the next process sends the message", func() error {
		if err := p.expect(http.StatusOK, "POST", "/sweep"); err != nil {
			return err
		}
		select {
		case second = <-arrived:
			return nil
		case <-time.After(200 * time.Millisecond):
			return errors.New("it has not come")
		}
	})
	hop := trace.Parse(second.Get("Traceparent"))
	require.Equal(t, traceB, hop.TraceID())
	require.Equal(t, first.Get("Ce-Id"), second.Get("Ce-Id"))
	eventually(t, "the spans of the next process are there", func() error {
		b := treeOf(spans, traceB)
		if len(b.of["publish message"]) == 0 || b.byID[hop.SpanID()] == nil {
			return fmt.Errorf("there are %d", len(b.byID))
		}
		return nil
	})
	b := treeOf(spans, traceB)
	message := b.of["publish message"][0]
	require.Subset(t, linked(message), []string{traceA, traceB})
	require.Equal(t, message.GetSpanId(), b.byID[hop.SpanID()].GetParentSpanId())
	require.Equal(t, hex.EncodeToString(message.GetSpanId()), trace.Parse(second.Get("Ce-Traceparent")).SpanID())
}

// Where the process has CPU only during requests, a request that is answered has exported its
// spans. Its log has Cloud Logging's fields.
func TestRequestsExportTheirSpansOnCloudRun(t *testing.T) {
	t.Parallel()
	spans := otlptest.New(t)
	env := append(traced(spans), "K_SERVICE=gate", "HEADGATE_LOG_FORMAT=json", "CONFIG="+service("run", "p"), "GOOGLE_CLOUD_PROJECT=p")
	o := options{addr: fixedPort(t), env: env, args: []string{"--store", "sqlite", "--bus", "local", "--verbose"}}
	p := launch(t, o).at(o.addr)
	p.ready(t)
	p.sendTraced(t, "entry1", traceA, callerA)
	a := treeOf(spans, traceA)
	require.NoError(t, a.leads(callerA, "POST /event/{key...}\n\tstore events\n\tcheck window\n"))
	require.NoError(t, a.whole(callerA))
	require.NotNil(t, p.sendTraced(t, "entry2", traceB, callerB).Triggered)
	b := treeOf(spans, traceB)
	require.NoError(t, b.leads(callerB, "POST /event/{key...}\n\tstore events\n\tcheck window\n\t\tclaim window\n\t\t\tpublish message\n\t\t\t\tpublish "+topicOf("p")+"\n"))
	require.NoError(t, b.whole(callerB))
	require.Contains(t, p.stderr.String(), `"logging.googleapis.com/trace":"projects/p/traces/`+traceB+`"`)

	exports := spans.Exports()
	resp, _, err := p.call("POST", "/event/entry1", "x", "Traceparent", "00-"+traceA+"-"+callerA+"-00")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, exports, spans.Exports(), "a request that is not recorded waits for nothing")
}

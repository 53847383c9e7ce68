package functions

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus/localbus"
)

// workflows is a stand-in of the Workflow Executions API, as strict as the API itself: it
// wants an access token, JSON without unknown fields, and an argument that is JSON as text.
type workflows struct {
	path string
	mu   sync.Mutex
	down bool
	runs []map[string]any // the arguments
}

func (w *workflows) answer(r *http.Request) (status int, body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var execution struct {
		Argument string `json:"argument"`
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	var argument map[string]any
	switch {
	case w.down:
		return 503, `{"error":{"code":503,"status":"UNAVAILABLE"}}`
	case r.Method != http.MethodPost || r.URL.String() != "https://workflowexecutions.googleapis.com"+w.path:
		return 404, `{"error":{"code":404,"status":"NOT_FOUND"}}`
	case r.Header.Get("Authorization") != "Bearer access-token for https://www.googleapis.com/auth/cloud-platform":
		return 401, `{"error":{"code":401,"status":"UNAUTHENTICATED"}}`
	case r.Header.Get("Content-Type") != "application/json" || dec.Decode(&execution) != nil:
		return 400, `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`
	case len(execution.Argument) > 512<<10 || json.Unmarshal([]byte(execution.Argument), &argument) != nil:
		return 400, `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`
	}
	w.runs = append(w.runs, argument)
	return 200, `{"name":"` + strings.TrimPrefix(w.path, "/v1/") + `/1","state":"ACTIVE"}`
}

// RoundTrip implements [http.RoundTripper].
func (w *workflows) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := w.answer(r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (w *workflows) set(down bool) { w.mu.Lock(); w.down = down; w.mu.Unlock() }

func (w *workflows) arguments() []map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs
}

type fakeTokens struct{}

func (fakeTokens) OIDC(_ context.Context, audience string) (string, error) {
	return "id-token for " + audience, nil
}

func (fakeTokens) OAuth(_ context.Context, scopes []string) (string, error) {
	return "access-token for " + strings.Join(scopes, " "), nil
}

// newWorkflow returns a gateway with the example's configuration, and the API that it calls.
func newWorkflow(t *testing.T) (*gateway, *workflows) {
	file, err := os.ReadFile("../config/examples/workflow.json")
	require.NoError(t, err)
	cfg, err := config.Parse(file)
	require.NoError(t, err)
	w := &workflows{path: "/v1/projects/acme-data/locations/europe-west3/workflows/load/executions"}
	g := newGatewayWith(t, cfg, false, func(_ *gateway, o *app.Options) {
		o.HooksHTTP, o.Tokens = &http.Client{Transport: w}, fakeTokens{}
	})
	for _, topic := range cfg.Services[0].Topics() {
		g.bus.Bus.(*localbus.Bus).Declare(topic)
	}
	return g, w
}

func (g *gateway) load() string {
	g.event("file", `{"name":"orders/1.csv"}`)
	id := g.event("approved", `{}`).str("triggered")
	require.NotEmpty(g, id)
	return id
}

func (g *gateway) targets(eventID string) (state string, targets map[string]map[string]any) {
	targets = map[string]map[string]any{}
	for _, m := range g.do("GET", "/messages", "").json["messages"].([]any) {
		if m := m.(map[string]any); m["eventID"] == eventID {
			state = m["state"].(string)
			for _, t := range m["targets"].([]any) {
				targets[t.(map[string]any)["name"].(string)] = t.(map[string]any)
			}
		}
	}
	return state, targets
}

// The recipe of docs/cookbook.md: the document has the example's configuration, and Workflows
// starts with the message as a CloudEvent.
func TestWorkflowsAsATarget(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(cookbook)
	require.NoError(t, err)
	file, err := os.ReadFile("../config/examples/workflow.json")
	require.NoError(t, err)
	require.True(t, bytes.Contains(doc, []byte("```json\n"+string(file)+"```\n")), "the document has the configuration of config/examples/workflow.json, letter by letter")

	g, w := newWorkflow(t)
	id := g.load()
	require.Len(t, w.arguments(), 1)
	event := w.arguments()[0]
	require.Equal(t, "1.0", event["specversion"])
	require.Equal(t, id, event["id"])
	require.Equal(t, "/services/nightly-load", event["source"])
	require.Equal(t, "dev.headgate.sync.v1", event["type"])
	require.Equal(t, id, event["data"].(map[string]any)["eventID"])
	require.Len(t, g.bus.all(), 1)
	state, targets := g.targets(id)
	require.Equal(t, "published", state)
	require.Equal(t, "delivered", targets["workflow"]["state"])
	require.Equal(t, "delivered", targets["bus"]["state"])
}

func TestTargetsAreListedAndReplayed(t *testing.T) {
	t.Parallel()
	g, w := newWorkflow(t)
	w.set(true)
	id := g.load()
	require.Len(t, g.bus.all(), 1, "the topic does not wait for the workflow")
	state, targets := g.targets(id)
	require.Equal(t, "claimed", state)
	require.Equal(t, "pending", targets["workflow"]["state"])
	require.Equal(t, "workflowexecutions.googleapis.com answers 503 Service Unavailable", targets["workflow"]["lastError"])
	require.Equal(t, 1.0, targets["workflow"]["attempts"])

	listed := func(query string, want ...string) {
		t.Helper()
		ids := []string{}
		for _, m := range g.do("GET", "/messages"+query, "").list("messages") {
			ids = append(ids, m["eventID"].(string))
		}
		require.Equal(t, append([]string{}, want...), ids, query)
	}
	listed("?target=workflow", id)
	listed("?target=workflow&targetState=pending", id)
	listed("?targetState=pending&state=published")
	listed("?target=workflow&targetState=delivered")
	listed("?targetState=failed")
	requireProblem(t, g.do("GET", "/messages?target=workflows", ""), 400, `there is no target "workflows": the targets are bus, workflow`)
	requireProblem(t, g.do("GET", "/messages?target=", ""), 400, "the targets are bus, workflow")
	requireProblem(t, g.do("GET", "/messages?targetState=done", ""), 400, "targetState must be one of")

	for range 11 {
		g.advance(30 * time.Hour)
		require.Equal(t, 200, g.do("POST", "/sweep", "").status)
	}
	state, targets = g.targets(id)
	require.Equal(t, "failed", state)
	require.Equal(t, "failed", targets["workflow"]["state"])
	require.Equal(t, "delivered", targets["bus"]["state"])
	require.Len(t, g.do("GET", "/messages?state=failed", "").json["messages"], 1)
	listed("?targetState=failed", id)
	listed("?target=workflow&targetState=failed", id)
	listed("?target=workflow&targetState=pending")
	listed("?target=bus&targetState=failed")
	listed("?target=bus&targetState=delivered", id)
	require.Zero(t, g.do("GET", "/status", "").num("backlog"))

	requireProblem(t, g.do("POST", "/messages/"+id+"/replay?target=workflows", ""), 400, `there is no target "workflows": the targets are bus, workflow`)
	requireProblem(t, g.do("POST", "/messages/"+id+"/replay?target=", ""), 400, "the targets are bus, workflow")
	requireProblem(t, g.do("POST", "/messages/"+id+"/replay?target=workflow", ""), 503, "answers 503")
	w.set(false)
	require.Equal(t, 200, g.do("POST", "/messages/"+id+"/replay?target=workflow", "").status)
	require.Len(t, w.arguments(), 1)
	require.Len(t, g.bus.all(), 1, "nobody else gets it again")
	state, _ = g.targets(id)
	require.Equal(t, "published", state)
	require.Equal(t, 200, g.do("POST", "/messages/"+id+"/replay", "").status)
	require.Len(t, w.arguments(), 2)
	require.Len(t, g.bus.all(), 2)
}

// A service with one topic shows none of it.
func TestOneTopicShowsNoTargets(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", "x")
	id := g.event("entry2", "x").str("triggered")
	require.NotContains(t, g.do("GET", "/messages", "").json["messages"].([]any)[0], "targets")
	a := g.do("GET", "/messages?target=pubsub&limit=1", "")
	require.Equal(t, id, field(a.json["messages"], 0, "eventID"))
	a = g.do("GET", "/messages?target=pubsub&limit=1&after="+a.str("next"), "")
	require.Empty(t, a.json["messages"])
	require.Nil(t, a.json["next"])
	require.Equal(t, 200, g.do("POST", "/messages/"+id+"/replay?target=pubsub", "").status)
	require.Len(t, g.bus.all(), 2)
}

// The sync that onMessage names is a target where the process runs between requests.
func TestASyncIsATarget(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(`,"onMessage":{"sync":"readings"}`), true)
	g.file("readings.csv", threeReadings)
	g.event("entry1", "x")
	id := g.event("entry2", "x").str("triggered")
	sync := func() map[string]any {
		var found map[string]any
		require.Eventually(t, func() bool {
			_, targets := g.targets(id)
			found = targets["sync:readings"]
			return targets["pubsub"]["state"] == "delivered" && found["state"] != "pending"
		}, time.Minute, 5*time.Millisecond)
		return found
	}
	require.Equal(t, "failed", sync()["state"])
	require.Equal(t, `there is no sync "readings"`, sync()["lastError"])
	g.define(readingsSync(""))
	require.Equal(t, 200, g.do("POST", "/messages/"+id+"/replay?target=sync:readings", "").status)
	require.Equal(t, "delivered", sync()["state"])
	require.Len(t, g.do("GET", "/sync/readings/runs", "").json["runs"], 1)
	require.Equal(t, 200, g.do("POST", "/messages/"+id+"/replay?target=sync:readings", "").status)
	require.Len(t, g.do("GET", "/sync/readings/runs", "").json["runs"], 1, "once per message")
}

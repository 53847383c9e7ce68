package functions

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/signature"
)

// An alert reaches an HTTP endpoint as a signed CloudEvent, although the bus is away, and
// the topic once it is back. The status shows it all the time.
func TestAlertsReachTheirReceivers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []http.Header
	var bodies [][]byte
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got, bodies = append(got, r.Header), append(bodies, b)
	}))
	t.Cleanup(endpoint.Close)
	secret := signature.NewSecret()
	g := newGateway(t, windowed(`,"window":"anchored","onClose":"drop"`, "", byOrder+`,
		"alerts":{"topic":"`+deadTopic+`","http":[{"url":"`+endpoint.URL+`/?token=hidden","secret":"`+secret+`"}]}`))
	g.event("entry1", `{"order":1}`)
	require.NotContains(t, g.do("GET", "/status", "").json, "alerts", "there are none")
	g.bus.set(errors.New("away"))
	g.advance(time.Hour)
	require.Equal(t, 200, g.do("POST", "/sweep", "").status)
	require.Len(t, got, 1)
	require.Equal(t, "dev.headgate.alert.v1", got[0].Get("Ce-Type"))
	_, err := signature.Verify([]string{secret}, got[0], bodies[0], g.clock())
	require.NoError(t, err)

	one := field(g.do("GET", "/status", "").json["alerts"], 0)
	require.Equal(t, true, field(one, "waiting"))
	require.Equal(t, "topic: away", field(one, "lastError"))
	require.Equal(t, "1", field(one, "correlationKey"))
	require.Equal(t, "entry2", field(one, "missing", 0, "eventKey"))
	g.bus.set(nil)
	g.advance(time.Hour)
	require.Equal(t, 200, g.do("POST", "/sweep", "").status)
	require.Len(t, got, 1, "it has the alert")
	require.Equal(t, []string{deadTopic}, g.bus.topics)
	require.Equal(t, string(bodies[0]), string(g.bus.all()[0].Data))
	var body map[string]any
	require.NoError(t, json.Unmarshal(bodies[0], &body))
	require.Equal(t, field(one, "id"), body["id"])
	require.Equal(t, got[0].Get("Ce-Id"), body["id"])
	one = field(g.do("GET", "/status", "").json["alerts"], 0)
	require.NotContains(t, one, "waiting")
	require.NotContains(t, g.logs.String(), "hidden")
	require.NotContains(t, string(g.do("GET", "/config", "").raw), "hidden")
}

// Without any scheduler, a request evaluates what was expected. The alert is sent before it
// is answered, because the process may get no processor afterwards.
func TestARequestEvaluatesExpectations(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"expect":[{"cron":"30 13 * * *"}],"alerts":{"topic":"`+deadTopic+`"}`))
	g.event("entry1", "x") // at 12:00
	g.advance(85 * time.Minute)
	g.event("entry1", "x")
	require.Empty(t, g.bus.topics)
	g.advance(6 * time.Minute)
	require.Equal(t, 200, g.do("POST", "/check", "").status)
	require.Equal(t, []string{deadTopic}, g.bus.topics)
	one := field(g.do("GET", "/status", "").json["alerts"], 0)
	require.Equal(t, "overdue", field(one, "kind"))
	require.Equal(t, "2026-05-01T13:30:00Z", field(one, "at"))
	require.Equal(t, "entry2", field(one, "missing", 0, "eventKey"))
	g.advance(24 * time.Hour)
	g.event("entry1", "x")
	g.event("entry2", "x")
	require.Len(t, g.do("GET", "/status", "").json["alerts"], 2)
	require.Contains(t, g.logs.String(), "no complete message was published in time")
}

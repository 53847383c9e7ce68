package functions

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Every answer with a triggered message also tells whether the bus has the message.
func TestPublishedBesideTriggered(t *testing.T) {
	t.Parallel()
	stored := func(g *gateway) { // by an instance that died before its check
		now := g.clock()
		for _, r := range g.store.Append(t.Context(), []store.Append{{
			Event:    event.Event{ID: event.NewID(now), Key: "entry2", ReceivedAt: now},
			Endpoint: store.Endpoint{Service: "My First Event Sync", Key: "entry2"}, ExpireAt: now.Add(99 * time.Hour),
		}}) {
			require.NoError(t, r.Err)
		}
	}
	for name, release := range map[string]func(g *gateway) answer{
		"event":   func(g *gateway) answer { return g.event("entry2", "b") },
		"batch":   func(g *gateway) answer { return g.do("POST", "/events/entry2", `["b"]`) },
		"check":   func(g *gateway) answer { stored(g); return g.do("POST", "/check", "") },
		"sweep":   func(g *gateway) answer { stored(g); return g.do("POST", "/sweep", "") },
		"trigger": func(g *gateway) answer { return g.do("POST", "/trigger", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, oneService(""))
			nothing := g.event("entry1", "a")
			require.Nil(t, nothing.json["triggered"])
			require.NotContains(t, nothing.json, "published", "there is no message")
			a := release(g)
			require.NotEmpty(t, a.str("triggered"), "%s", a.raw)
			require.Equal(t, true, a.json["published"])
			require.Len(t, g.bus.all(), 1)

			g.bus.set(errors.New("away"))
			g.advance(time.Millisecond)
			g.event("entry1", "a")
			a = release(g)
			require.NotEmpty(t, a.str("triggered"))
			require.Equal(t, false, a.json["published"], "the bus did not take the claimed message")

			g.event("entry1", "a")
			a = release(g)
			require.NotEmpty(t, a.str("triggered"))
			require.Equal(t, false, a.json["published"], "publishing pauses")
		})
	}
}

// Without a scheduler, the next request of any caller publishes the messages that wait.
func TestEveryRouteOfTheGatePublishesWhatWaits(t *testing.T) {
	t.Parallel()
	for _, route := range [][2]string{
		{"POST", "/event/entry1"}, {"GET", "/status"}, {"POST", "/check"}, {"GET", "/pending"}, {"GET", "/messages"},
		{"GET", "/history"}, {"POST", "/reset"}, {"POST", "/trigger"}, {"GET", "/services/My%20First%20Event%20Sync/status"},
	} {
		t.Run(route[1], func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, oneService(""))
			g.bus.set(errors.New("away"))
			g.event("entry1", "a")
			id := g.event("entry2", "b").str("triggered")
			g.bus.set(nil)
			g.advance(11 * time.Second)
			require.Equal(t, 200, g.do(route[0], route[1], "").status)
			require.NotEmpty(t, g.bus.all())
			require.Equal(t, id, g.bus.all()[0].Attributes["eventID"])
		})
	}
}

// Requests to other services publish the messages of a service that gets no requests.
func TestRequestsOfOneServiceHelpTheOthers(t *testing.T) {
	t.Parallel()
	service := func(name string) string {
		return strings.Replace(oneService(""), "My First Event Sync", name, 1)
	}
	g := newGateway(t, `{"services":[`+service("one")+`,`+service("two")+`,`+service("three")+`]}`)
	g.bus.set(errors.New("away"))
	require.Equal(t, 200, g.do("POST", "/services/three/event/entry1", "a").status)
	id := g.do("POST", "/services/three/event/entry2", "b").str("triggered")
	require.NotEmpty(t, id)
	g.bus.set(nil)
	for range 3 {
		g.advance(11 * time.Second)
		require.Equal(t, 200, g.do("GET", "/services/one/status", "").status)
	}
	require.Len(t, g.bus.all(), 1)
	require.Equal(t, id, g.bus.all()[0].Attributes["eventID"])
}

// If the process has CPU after an answer, the answer does not wait for publications.
func TestHelpDelaysNoAnswerWhereTheProcessRunsOn(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(""), true)
	g.bus.set(errors.New("away"))
	g.event("entry1", "a")
	require.NotEmpty(t, g.event("entry2", "b").str("triggered"))
	g.bus.set(nil)
	g.advance(11 * time.Second)
	require.Equal(t, 200, g.do("GET", "/status", "").status)
	require.Eventually(t, func() bool { return len(g.bus.all()) == 1 }, time.Minute, time.Millisecond, "the publication continues after the answer")
}

// Status tells the operator what to do about messages that have waited for a day.
func TestStatusWarnsOfMessagesThatWait(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	warning := func() any { return g.do("GET", "/status", "").json["outbox"].(map[string]any)["warning"] }
	require.Nil(t, warning())
	g.bus.set(errors.New("away"))
	g.event("entry1", "a")
	g.event("entry2", "b")
	require.Nil(t, warning())
	g.advance(25 * time.Hour)
	require.Contains(t, warning(), "for 25 hours")
	g.bus.set(nil)
	g.advance(time.Minute)
	require.Equal(t, 1, g.do("POST", "/sweep", "").num("republished"))
	require.Nil(t, warning())
}

// Webhooks are answered even if the bus hangs.
func TestAWebhookDoesNotWaitForTheBus(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"live":{"topic":"projects/p/topics/live"}`))
	g.bus.mu.Lock()
	g.bus.hangs = true
	g.bus.mu.Unlock()
	began := time.Now()
	require.Equal(t, 200, g.do("POST", "/echo-external-data-webhook", `{"data":{}}`).status)
	require.Less(t, time.Since(began), 5*time.Second)
}

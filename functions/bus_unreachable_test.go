package functions

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/signature"
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

// The whole application uses one clock. A jump of the machine's clock does not affect the
// window, idempotency keys or retention.
func TestAttackClockThroughTheAPI(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", "a", "Idempotency-Key", "k")
	old := g.event("entry2", "b").str("triggered")
	g.advance(59 * time.Minute)
	at := g.clock()
	g.event("entry1", "c", "Idempotency-Key", "l")
	for _, jump := range []time.Duration{2 * time.Hour, -time.Hour, 240 * time.Hour} {
		g.jump(jump)
		for range 11 {
			g.advance(time.Second)
			s := g.do("POST", "/sweep", "")
			require.Zero(t, s.num("expired")+s.num("purged"), jump)
		}
		a := g.event("entry1", "c", "Idempotency-Key", "l")
		require.Equal(t, true, a.json["duplicate"], "the source sends it again")
		require.Equal(t, at.Format(time.RFC3339), a.str("receivedAt"))
		g.jump(-jump)
	}
	require.Equal(t, true, g.event("entry1", "a", "Idempotency-Key", "k").json["duplicate"])
	g.message(old)
	id := g.event("entry2", "d").str("triggered")
	require.Equal(t, 1, g.message(id).Events["entry1"].NumberOfEvents, "nothing was lost")
}

// A process whose clock is wrong by hours from the start checks webhooks by the store's
// time.
func TestAttackClockOfWebhooks(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/hooks/h", "/external-data-webhook"} {
		secret := signature.NewSecret()
		g := newGateway(t, oneService(`,"echo":{"secrets":["`+secret+`"]},
			"hooks":[{"name":"h","verify":{"type":"standard","secrets":["`+secret+`"]},"event":{"eventKey":"entry1"}}]`))
		truth := g.clock().Add(3 * time.Hour)
		g.store.time = func() time.Time { return truth.Add(g.elapsed()) }
		for _, id := range []string{"msg_1", "msg_2"} {
			body := `{"data":{"1":{"name":"n","priority":1}}}`
			h, err := signature.Sign(secret, id, g.store.time(), []byte(body))
			require.NoError(t, err)
			var headers []string
			for k := range h {
				headers = append(headers, k, h.Get(k))
			}
			a := g.do("POST", path, body, headers...)
			require.Equal(t, 200, a.status, "%s: %s", path, a.raw)
			g.jump(-10 * 24 * time.Hour) // while it runs
			g.advance(time.Minute)
		}
	}
}

package functions

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

func TestWindowEdges(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", "old")
	g.advance(time.Hour)
	require.Nil(t, g.event("entry2", "x").json["triggered"], "an event that is exactly a period old is not in the window")
	require.Equal(t, 1, g.do("POST", "/reset", "").num("reset"))

	g.event("entry1", "young")
	g.advance(time.Hour - time.Microsecond)
	require.NotNil(t, g.event("entry2", "x").json["triggered"], "an event that is a microsecond younger is in the window")

	g.event("entry1", "from a faster clock")
	g.advance(-30 * time.Second)
	require.NotNil(t, g.event("entry2", "x").json["triggered"], "the window has no upper bound")

	g.event("entry1", "left")
	g.advance(2 * time.Hour)
	s := g.do("POST", "/sweep", "")
	require.Equal(t, 2, s.num("expired"), "two pointers left the window")
}

func TestRulesOfEndpoints(t *testing.T) {
	t.Parallel()
	for send, want := range map[string][]string{
		"ALL": {"1", "2", "3"}, "FIRST": {"1"}, "LAST": {"3"}, "BOUNDARIES": {"1", "3"},
	} {
		cfg := strings.Replace(oneService(""), `{"eventKey":"entry1"}`, `{"eventKey":"entry1","minNbOfOccurrence":3,"eventToSend":"`+send+`"}`, 1)
		g := newGateway(t, cfg)
		g.event("entry2", "x")
		for _, body := range []string{"1", "2"} {
			require.Nil(t, g.event("entry1", body).json["triggered"])
			g.advance(time.Second)
		}
		m := g.message(g.event("entry1", "3").str("triggered"))
		require.Equal(t, 3, m.Events["entry1"].NumberOfEvents)
		var got []string
		for _, e := range m.Events["entry1"].Events {
			got = append(got, e.Content)
		}
		require.Equal(t, want, got, send)
		require.Equal(t, 0, g.do("POST", "/reset", "").num("reset"), "all events are consumed, including those that were not sent")
	}
}

func TestKeepEventAfterTrigger(t *testing.T) {
	t.Parallel()
	cfg := strings.Replace(oneService(""), `3600`, `3600,"keepEventAfterTrigger":true`, 1)
	g := newGateway(t, cfg)
	g.event("entry1", "a")
	first := g.event("entry2", "b").str("triggered")
	require.NotEmpty(t, first)
	require.Nil(t, g.do("POST", "/check", "").json["triggered"], "the same message is not published again")
	for range 2 { // the window is not empty, so the answer says which message has its events
		a := g.do("POST", "/trigger", "")
		require.Equal(t, map[string]any{"triggered": first, "repeated": true, "numberOfEvents": 2.0, "published": true}, a.json)
	}
	second := g.event("entry1", "c").str("triggered")
	require.NotEmpty(t, second)
	require.NotEqual(t, first, second)
	require.Len(t, g.message(second).Events["entry1"].Events, 2)
	require.Len(t, g.bus.all(), 2)
	require.NotContains(t, g.event("entry2", "d").json, "repeated")
	g.advance(2 * time.Hour)
	require.Equal(t, map[string]any{"triggered": nil, "numberOfEvents": 0.0, "published": false}, g.do("POST", "/trigger", "").json)
}

// The message that has the events may still wait for the bus.
func TestARepeatedTriggerSaysWhetherTheMessageIsPublished(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(oneService(""), `3600`, `3600,"keepEventAfterTrigger":true`, 1))
	g.bus.set(errors.New("away"))
	g.event("entry1", "a")
	first := g.do("POST", "/trigger", "")
	require.Equal(t, map[string]any{"triggered": first.str("triggered"), "numberOfEvents": 1.0, "published": false}, first.json)
	again := g.do("POST", "/trigger", "")
	require.Equal(t, map[string]any{"triggered": first.str("triggered"), "repeated": true, "numberOfEvents": 1.0, "published": false}, again.json)
}

// A window that is too large for one commit is one message all the same. It is a claim check,
// and its contentURL has the whole message.
func TestAWindowTooLargeForOneClaim(t *testing.T) {
	t.Parallel()
	for _, keep := range []string{"false", "true"} {
		g := newGateway(t, strings.Replace(oneService(""), `"observationPeriod":3600`, `"observationPeriod":3600,"keepEventAfterTrigger":`+keep, 1))
		g.store.maxClaim = 4
		send := func(key string, n int) {
			for i := range n {
				g.event(key, fmt.Sprint(key, i))
				g.advance(time.Microsecond)
			}
		}
		send("entry1", 9)
		send("entry2", 1)
		contents := func(message int) (all []string) {
			m := g.bus.all()[message]
			require.Equal(t, "true", m.Attributes["claimCheck"])
			var short, whole syncMessage
			require.NoError(t, json.Unmarshal(m.Data, &short))
			res := g.do("GET", short.ContentURL, "")
			require.Equal(t, 200, res.status)
			require.NoError(t, json.Unmarshal(res.raw, &whole))
			ids := md5.New()
			for _, key := range []string{"entry1", "entry2"} {
				require.Empty(t, short.Events[key].Events)
				require.Equal(t, short.Events[key].NumberOfEvents, len(whole.Events[key].Events))
				for _, e := range whole.Events[key].Events {
					all = append(all, e.Content)
					ids.Write([]byte(e.ID))
				}
			}
			require.Equal(t, hex.EncodeToString(ids.Sum(nil)), whole.EventID)
			return all
		}
		want := []string{"entry10", "entry11", "entry12", "entry13", "entry14", "entry15", "entry16", "entry17", "entry18", "entry20"}
		require.Len(t, g.bus.all(), 1)
		require.Equal(t, want, contents(0))
		require.Equal(t, 200, g.do("POST", "/sweep", "").status)
		require.Len(t, g.bus.all(), 1, "nothing is released twice")
		if keep == "true" {
			again := g.do("POST", "/trigger", "").json
			require.Equal(t, true, again["repeated"])
			require.Equal(t, 10.0, again["numberOfEvents"])
			g.event("entry1", "late")
			require.Len(t, g.bus.all(), 2)
			require.Contains(t, contents(1), "late")
		}
	}
}

// If a window cannot be checked, expired data are deleted all the same.
func TestASweepDeletesWhatIsOverThoughTheCheckFails(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", "a")
	g.advance(time.Hour + time.Minute)
	stale := func() int {
		ps, err := g.store.Stale(t.Context(), store.Endpoint{Service: "My First Event Sync", Key: "entry1"}, g.clock(), 10)
		require.NoError(t, err)
		return len(ps)
	}
	require.Equal(t, 1, stale())
	g.store.set(true)
	require.Equal(t, 503, g.do("POST", "/sweep", "").status)
	require.Zero(t, stale())
}

func TestTypeNoneAndAsync(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(oneService(""), `"window"`, `"none"`, 1))
	g.event("entry1", "a")
	require.Nil(t, g.event("entry2", "b").json["triggered"])
	require.Nil(t, g.do("POST", "/check", "").json["triggered"])
	a := g.do("GET", "/trigger", "")
	require.Equal(t, "none", g.message(a.str("triggered")).TriggerType)

	g = newGateway(t, oneService(`,"asyncEventTrigger":true`))
	g.event("entry1", "a")
	require.Nil(t, g.event("entry2", "b").json["triggered"], "answered before the check")
	require.Eventually(t, func() bool { return len(g.bus.all()) == 1 }, time.Minute, time.Millisecond)
}

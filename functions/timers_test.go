package functions

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/cloudtimer"
	"github.com/headgate/headgate/internal/gate/cloudtimer/tasktest"
)

const testQueue = "projects/test-project/locations/europe-west1/queues/windows"

// timed is a gateway with a queue of Cloud Tasks.
type timed struct {
	*gateway
	queue *tasktest.Server
}

func newTimed(t *testing.T, trigger, more string) *timed {
	text := windowed(trigger, "", `,"timers":{"queue":"`+testQueue+`","url":"https://check.example.com"}`+more)
	if strings.Contains(trigger, "tumbling") {
		text = strings.Replace(text, `"observationPeriod":3600,`, "", 1)
	}
	cfg, err := config.Parse([]byte(text))
	require.NoError(t, err)
	x := &timed{}
	x.gateway = newGatewayWith(t, cfg, false, func(g *gateway, o *app.Options) {
		x.queue = tasktest.New(t, testQueue, g.clock)
		timer, err := cloudtimer.Open(t.Context(), cloudtimer.Options{Queue: testQueue, URL: cfg.TimersURL(cfg.Services[0])},
			option.WithEndpoint(x.queue.URL), option.WithHTTPClient(x.queue.Client()))
		require.NoError(t, err)
		o.Timer = func(config.Service) (gate.Timer, error) { return timer, nil }
	})
	return x
}

// next lets time pass until the next task is due, makes its call, and returns the time.
func (x *timed) next() time.Time {
	x.Helper()
	tasks := x.queue.Waiting()
	require.NotEmpty(x, tasks)
	if wait := tasks[0].At().Sub(x.clock()); wait > 0 {
		x.advance(wait)
	}
	for _, task := range x.queue.Due() {
		u, err := url.Parse(task.HTTPRequest.URL)
		require.NoError(x, err)
		require.Equal(x, "check.example.com", u.Host)
		a := x.do("POST", u.RequestURI(), "", "X-CloudTasks-TaskName", task.Name[strings.LastIndex(task.Name, "/")+1:])
		require.Equal(x, 200, a.status, "%s", a.raw)
	}
	return x.clock()
}

// No request and no scheduler comes: the task closes the window, to the second.
func TestTimerClosesAnchoredWindowOnTime(t *testing.T) {
	t.Parallel()
	x := newTimed(t, `,"window":"anchored","onClose":"partial"`, byOrder)
	opened := x.clock()
	x.event("entry1", `{"order":17}`)
	x.advance(time.Minute)
	x.event("entry1", `{"order":17}`)
	x.event("entry1", `{"order":"a b&c"}`)
	require.Equal(t, 2, x.queue.Calls(), "one task for each window")

	at := x.next()
	require.Less(t, at.Sub(opened.Add(time.Hour)), 2*time.Second)
	require.False(t, at.Before(opened.Add(time.Hour)))
	require.Len(t, x.bus.all(), 1)
	require.Equal(t, "17", x.bus.all()[0].Attributes["correlationKey"])
	x.next()
	require.Len(t, x.bus.all(), 2)
	require.Equal(t, "a b&c", x.bus.all()[1].Attributes["correlationKey"], "the key is escaped")
	require.Empty(t, x.queue.Waiting())
}

// A window that is complete needs no timer, and a service without timers makes no call.
func TestTimerOnlyForWindowsThatWait(t *testing.T) {
	t.Parallel()
	x := newTimed(t, `,"window":"anchored"`, byOrder)
	require.Equal(t, 200, x.do("POST", "/events/entry1", `[]`).status)
	require.Zero(t, x.queue.Calls())
	x.event("entry1", `{"order":1}`)
	require.NotNil(t, x.event("entry2", `{"order":1}`).json["triggered"])
	require.Equal(t, 1, x.queue.Calls())
	x.next()
	require.Empty(t, x.queue.Waiting(), "the window is gone")
	require.Len(t, x.bus.all(), 1)
}

// The deadline of a session moves with each event, and its task does not: it fires early, and
// sets the next one.
func TestTimerOfSessionRearmsItself(t *testing.T) {
	t.Parallel()
	x := newTimed(t, `,"window":"session","release":"close","condition":"entry1 || entry2"`, "")
	for range 5 {
		x.event("entry1", "x")
		x.advance(20 * time.Minute)
	}
	last := x.clock().Add(-20 * time.Minute)
	require.Equal(t, 1, x.queue.Calls(), "not one task for each event")
	x.next()
	require.Empty(t, x.bus.all())
	require.Len(t, x.queue.Waiting(), 1)
	at := x.next()
	require.Len(t, x.bus.all(), 1)
	require.Less(t, at.Sub(last.Add(time.Hour)), 2*time.Second)
	require.Empty(t, x.queue.Waiting())
}

// Cloud Tasks schedules at most 30 days ahead.
func TestTimerOfFarWindowGoesInSteps(t *testing.T) {
	t.Parallel()
	x := newTimed(t, `,"window":"tumbling","every":"month","grace":604800,"onClose":"partial"`, "")
	x.event("entry1", "x")
	steps := 0
	for ; len(x.bus.all()) == 0; steps++ {
		require.Less(t, steps, 5)
		x.next()
	}
	require.Equal(t, 2, steps)
	require.Equal(t, time.Date(2026, 6, 8, 0, 0, 1, 0, time.UTC), x.clock())
}

// Without the queue, events are taken, and windows close by the next request.
func TestTimerFailureCostsPunctualityOnly(t *testing.T) {
	t.Parallel()
	x := newTimed(t, `,"window":"anchored","onClose":"partial"`, byOrder)
	x.queue.Away(true)
	x.event("entry1", `{"order":1}`)
	x.event("entry1", `{"order":2}`)
	require.Equal(t, 1, x.queue.Calls(), "an API that is known to be down does not hold up each event")
	require.Contains(t, x.logs.String(), "a timer could not be set")
	require.Contains(t, string(x.do("GET", "/status?key=1", "").raw), "1 timer could not be set")

	x.advance(10 * time.Second)
	x.queue.Away(false)
	x.event("entry1", `{"order":1}`)
	require.Len(t, x.queue.Waiting(), 1, "the window's next event tries again")
	x.advance(2 * time.Hour)
	x.event("entry1", `{"order":3}`)
	require.Len(t, x.bus.all(), 2)
	require.NotContains(t, string(x.do("GET", "/status?key=1", "").raw), "could not be set")

	x.queue.Away(true) // a task that fires early and cannot set the next one is called again
	x.advance(10 * time.Second)
	a := x.do("POST", "/check?key=3", "", "X-CloudTasks-TaskName", "t")
	require.Equal(t, 503, a.status)
}

package functions

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/client"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// subscriber is a URL that gets CloudEvents.
type subscriber struct {
	*httptest.Server
	mu     sync.Mutex
	now    func() time.Time
	secret string
	down   bool
	got    []cloudEventOf
}

type cloudEventOf struct {
	SpecVersion, ID, Source, Type, Subject string
	Time                                   time.Time
	Data                                   map[string]any
}

func newSubscriber(t *testing.T, g *gateway) *subscriber {
	s := &subscriber{now: g.clock}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		var e cloudEventOf
		id, err := client.Verifier{Secrets: []string{s.secret}, Now: s.now}.Verify(r.Header, body)
		if s.down || err != nil || json.Unmarshal(body, &e) != nil || e.ID != id {
			w.WriteHeader(400)
			return
		}
		s.got = append(s.got, e)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *subscriber) fail(down bool) { s.mu.Lock(); s.down = down; s.mu.Unlock() }

// events returns what arrived since the last call.
func (s *subscriber) events() []cloudEventOf {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// await returns the first n events that arrive, and fails if more of them have arrived. A
// request may be answered before its occurrence is sent.
func (s *subscriber) await(t require.TestingT, n int) []cloudEventOf {
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.got) >= n
	}, time.Minute, 5*time.Millisecond)
	got := s.events()
	require.Len(t, got, n)
	return got
}

// subscribe registers the subscriber for types, given as JSON, and more fields.
func (s *subscriber) subscribe(g *gateway, types []string, more string) answer {
	g.Helper()
	list, err := json.Marshal(types)
	require.NoError(g, err)
	a := g.do("POST", "/register-for-webhook", `{"url":"`+s.URL+`/`+types[0]+`","types":`+string(list)+more+`}`)
	require.Equal(g, 200, a.status, "%s", a.raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = a.str("secret")
	return a
}

// Whoever subscribed to everything gets a signed CloudEvent of each thing that happens.
func TestEverythingCanBeSubscribed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"echo":{"allowTargets":["127.0.0.1"]}`))
	s := newSubscriber(t, g)
	s.subscribe(g, occurrence.Types, "")

	g.event("entry1", "hello")
	require.Empty(t, s.events())
	released := g.event("entry2", "world").str("triggered")
	got := s.await(t, 1)
	require.Equal(t, []string{"1.0", released, "/services/My%20First%20Event%20Sync", occurrence.Message, "My First Event Sync"},
		[]string{got[0].SpecVersion, got[0].ID, got[0].Source, got[0].Type, got[0].Subject})
	require.Equal(t, g.do("GET", "/messages/"+released, "").json, got[0].Data, "the message itself")

	require.Equal(t, 201, g.do("PUT", "/orgs/default/items/100", `{"name":"hello"}`).status)
	got = s.await(t, 1)
	require.Equal(t, []string{occurrence.Records, "items"}, []string{got[0].Type, got[0].Subject})
	require.Equal(t, map[string]any{"orgId": "default", "type": "items", "records": []any{map[string]any{"id": "100", "version": 1.0}}}, got[0].Data)

	require.Equal(t, 200, g.do("POST", "/external-data-webhook?externalTaskListId=l", `{"data":`+newTasks+`}`).status)
	got = s.await(t, 1)
	require.Equal(t, []string{occurrence.List, "l"}, []string{got[0].Type, got[0].Subject})
	require.Equal(t, 1.0, got[0].Data["version"])

	g.file("readings.csv", threeReadings+"w3,no date,1\n") // one of four rows is too many
	g.define(readingsSync(""))
	run := g.runSync("readings", "")
	got = s.await(t, 2)
	require.Equal(t, []string{occurrence.Records, "acme/reading"}, []string{got[0].Type, got[0].Subject})
	require.Len(t, got[0].Data["records"], 3)
	require.Equal(t, []string{occurrence.RunFailed, "readings", run.str("id")}, []string{got[1].Type, got[1].Subject, got[1].ID})

	g.event("entry1", "left over")
	g.advance(2 * time.Hour)
	require.Equal(t, 200, g.do("POST", "/sweep", "").status)
	got = s.await(t, 1)
	require.Equal(t, occurrence.Alert, got[0].Type)
	require.Equal(t, "expired", got[0].Data["kind"])
}

// A large message comes as a claim check, as the gate's targets get it, also when it is sent
// later because the URL was down.
func TestASubscribedMessageIsBounded(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"maxMessageBytes":2000,"echo":{"allowTargets":["127.0.0.1"]}`))
	s := newSubscriber(t, g)
	x := s.subscribe(g, []string{occurrence.Message}, `,"filter":"data.eventID != ''"`)
	g.event("entry1", strings.Repeat("x", 5000))
	released := g.event("entry2", "world").str("triggered")
	got := s.await(t, 1)
	require.Equal(t, "/services/My%20First%20Event%20Sync/messages/"+released, got[0].Data["contentURL"])
	require.Contains(t, got[0].Data, "events")

	s.fail(true)
	g.event("entry1", strings.Repeat("y", 5000))
	released = g.event("entry2", "2").str("triggered")
	list := g.do("GET", "/webhooks/"+x.str("id")+"/deliveries", "").list("deliveries")
	require.Equal(t, "pending", list[0]["state"])
	require.Equal(t, released, list[0]["webhookId"])
	s.fail(false)
	g.advance(time.Minute)
	require.Equal(t, 1, g.do("POST", "/webhooks/sweep", "").num("delivered"))
	got = s.await(t, 1)
	require.Equal(t, released, got[0].ID)
	require.Equal(t, "/services/My%20First%20Event%20Sync/messages/"+released, got[0].Data["contentURL"])
}

// A registration is checked, and ended by its id or by its URL and types.
func TestEndASubscription(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"echo":{"allowTargets":["127.0.0.1"]}`))
	s := newSubscriber(t, g)
	for body, want := range map[string]string{
		`,"types":[]`:                                     "types must be a list of text, and not empty",
		`,"types":"dev.headgate.alert.v1"`:                "types must be a list of text, and not empty",
		`,"types":[1]`:                                    "types[0] must be text, and not empty",
		`,"types":["dev.headgate.alert.v2"]`:              "is none of",
		`,"types":["dev.headgate.alert.v1"],"subjects":1`: "subjects must be a list",
		`,"subjects":["a"]`:                               "subjects needs types",
		`,"type":["dev.headgate.alert.v1"]`:               `type: unknown field; did you mean \"types\"?`,
		`,"filters":"true"`:                               `filters: unknown field; did you mean \"filter\"?`,
		`,"retries":3`:                                    "retries: unknown field; the fields are externalTaskListId, filter, format, secret, url, subjects, types",
	} {
		a := g.do("POST", "/register-for-webhook", `{"url":"`+s.URL+`"`+body+`}`)
		require.Equal(t, 400, a.status, body)
		require.Contains(t, string(a.raw), want, body)
	}
	for query, want := range map[string]string{"filter=true": `unknown query parameter \"filter\"`, "formt=json": `unknown query parameter \"formt\"`} {
		a := g.do("GET", "/register-for-webhook?url="+url.QueryEscape(s.URL)+"&"+query, "")
		require.Equal(t, 400, a.status, query)
		require.Contains(t, string(a.raw), want)
	}
	require.Equal(t, 400, g.do("POST", "/unregister-webhook", `{"url":"`+s.URL+`","externalTaskListID":"l"}`).status)
	require.Empty(t, g.do("GET", "/webhooks", "").list("webhooks"), "what is refused registers nothing")
	x := s.subscribe(g, []string{occurrence.Alert}, `,"subjects":["a"],"tenantId":"t","documentId":"d","containerUrl":"http://f/t/d"`)
	require.Equal(t, []any{"a"}, x.json["subjects"])
	require.Equal(t, 200, g.do("POST", "/unregister-webhook", `{"id":"`+x.str("id")+`"}`).status)
	require.Empty(t, g.do("GET", "/webhooks", "").list("webhooks"))
	s.subscribe(g, []string{occurrence.Alert}, "")
	require.Equal(t, 409, g.do("POST", "/register-for-webhook", `{"url":"`+s.URL+`/`+occurrence.Alert+`","types":["`+occurrence.Message+`"]}`).status)
	require.Equal(t, 200, g.do("POST", "/unregister-webhook", `{"url":"`+s.URL+`/`+occurrence.Alert+`"}`).status, "the URL is enough")
	require.Empty(t, g.do("GET", "/webhooks", "").list("webhooks"))
	s.subscribe(g, []string{occurrence.Alert}, "")
	require.Equal(t, 200, g.do("POST", "/unregister-webhook", `{"url":"`+s.URL+`/`+occurrence.Alert+`","types":["`+occurrence.Alert+`"]}`).status)
	require.Empty(t, g.do("GET", "/webhooks", "").list("webhooks"))
}

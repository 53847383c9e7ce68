package functions

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate"
)

func TestFirstSuccess(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	a := g.event("entry1", "New test1")
	require.Nil(t, a.json["triggered"])
	require.Equal(t, false, a.json["duplicate"])
	b := g.event("entry2", "New test2")
	id := b.str("triggered")
	require.Len(t, id, 32)

	list := g.do("GET", "/messages", "")
	require.Equal(t, id, list.json["messages"].([]any)[0].(map[string]any)["eventID"])
	whole := g.do("GET", "/messages/"+id, "")
	published := g.bus.all()
	require.Len(t, published, 1)
	require.Equal(t, string(published[0].Data), string(whole.raw), "the published bytes are served")
	for k, want := range map[string]string{
		"serviceName": "My First Event Sync", "eventID": id, "triggerType": "window", "ce-specversion": "1.0", "ce-id": id,
	} {
		require.Equal(t, want, published[0].Attributes[k], k)
	}
	require.NotEmpty(t, published[0].Attributes["claimID"])
	m := g.message(id)
	require.Equal(t, "New test1", m.Events["entry1"].Events[0].Content)
	require.Equal(t, a.str("id"), m.Events["entry1"].Events[0].ID)

	s := g.do("GET", "/status", "")
	require.Equal(t, false, s.json["complete"])
	require.Equal(t, id, s.json["lastMessage"].(map[string]any)["eventID"])
}

func TestCheckTriggerReset(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	c := g.do("POST", "/check", "")
	require.Equal(t, 200, c.status)
	require.Len(t, c.json["missing"], 2)
	for _, path := range []string{"/trigger", "/event/trigger", "/services/My%20First%20Event%20Sync/trigger"} {
		a := g.do("GET", path, "")
		require.Equal(t, 200, a.status)
		require.Nil(t, a.json["triggered"], "without eligible events there is no message")
	}
	require.Empty(t, g.bus.all())

	g.event("entry1", "a")
	c = g.do("POST", "/check", "")
	require.Equal(t, map[string]any{"eventKey": "entry2", "have": 0.0, "need": 1.0}, c.json["missing"].([]any)[0])
	a := g.do("POST", "/event/trigger", "")
	require.Equal(t, 1, a.num("numberOfEvents"))
	require.Equal(t, true, a.json["published"])
	m := g.message(a.str("triggered"))
	require.Equal(t, 0, m.Events["entry2"].NumberOfEvents)
	require.Nil(t, m.Events["entry2"].Events)

	g.event("entry1", "b")
	g.event("entry1", "c")
	require.Equal(t, 0, g.do("POST", "/reset?eventKey=entry2", "").num("reset"))
	require.Equal(t, 2, g.do("GET", "/reset", "").num("reset"))
	require.Equal(t, 0, g.do("POST", "/reset", "").num("reset"))
	require.Nil(t, g.event("entry2", "d").json["triggered"], "what was reset does not count")
}

func TestHeadChangesNothing(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", "a")
	for _, path := range []string{"/trigger", "/event/trigger", "/reset"} {
		a := g.do("HEAD", path, "")
		require.Equal(t, 405, a.status, path)
		require.Equal(t, "GET, POST, PUT, PATCH, DELETE", a.header.Get("Allow"), path)
	}
	require.Equal(t, 1, g.do("GET", "/reset", "").num("reset"))
}

func TestAConfiguredTriggerKeyWins(t *testing.T) {
	t.Parallel()
	cfg := strings.Replace(oneService(""), `"entry1"`, `"trigger"`, 1)
	g := newGateway(t, cfg)
	require.Equal(t, "trigger", g.do("POST", "/event/trigger", "x").str("eventKey"))
	require.Equal(t, 1, g.do("POST", "/trigger", "").num("numberOfEvents"))
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	first := g.event("entry1", "one", "Idempotency-Key", "k")
	g.advance(time.Minute)
	again := g.event("entry1", "another body", "Idempotency-Key", "k")
	require.Equal(t, true, again.json["duplicate"])
	require.Equal(t, first.str("id"), again.str("id"))
	require.Equal(t, first.str("receivedAt"), again.str("receivedAt"))
	other := g.event("entry2", "two", "Idempotency-Key", "k")
	require.Equal(t, false, other.json["duplicate"], "the same key on two endpoints is two events")
	old := other.str("triggered")
	require.Equal(t, "one", g.message(old).Events["entry1"].Events[0].Content)

	g.advance(24*time.Hour - 2*time.Minute)
	require.Equal(t, true, g.event("entry1", "x", "Idempotency-Key", "k").json["duplicate"])
	g.advance(2 * time.Minute)
	fresh := g.event("entry1", "new", "Idempotency-Key", "k")
	require.Equal(t, false, fresh.json["duplicate"], "forgotten after a day")
	require.Equal(t, "one", g.message(old).Events["entry1"].Events[0].Content, "the old message keeps its event")
	require.Equal(t, "new", g.message(g.event("entry2", "x").str("triggered")).Events["entry1"].Events[0].Content)
}

// Sources that use the same names every day get a message every day, with another eventID
// than yesterday's.
func TestNamesUsedAgainAreAnotherMessage(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", `,"keepEventAfterTrigger":true`} {
		g := newGateway(t, strings.Replace(oneService(""), `"observationPeriod":3600`, `"observationPeriod":3600`+more, 1))
		ids := map[string]string{}
		for day := range 3 {
			content := fmt.Sprint("day ", day)
			g.event("entry1", content, "Idempotency-Key", "nightly")
			id := g.event("entry2", content, "Idempotency-Key", "nightly").str("triggered")
			require.NotEmpty(t, id, content)
			ids[id] = content
			again := g.event("entry2", content, "Idempotency-Key", "nightly")
			require.Equal(t, true, again.json["duplicate"])
			require.Nil(t, again.json["triggered"])
			g.advance(25 * time.Hour)
		}
		require.Len(t, ids, 3)
		require.Len(t, g.bus.all(), 3)
		for id, content := range ids {
			require.Equal(t, content, g.message(id).Events["entry2"].Events[0].Content)
		}
	}
}

// A duplicate still runs the check: the first attempt may have died before its check.
func TestADuplicateChecks(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", "a")
	g.store.set(true)
	require.Equal(t, 503, g.do("POST", "/event/entry2", "b", "Idempotency-Key", "k").status)
	g.store.set(false)
	require.NotNil(t, g.event("entry2", "b", "Idempotency-Key", "k").json["triggered"])

	_, err := json.Marshal(g.bus.all())
	require.NoError(t, err)
	require.Len(t, g.bus.all(), 1)
}

func TestCloudEventsAndPush(t *testing.T) {
	t.Parallel()
	cfg := strings.Replace(oneService(""), `{"eventKey":"entry2"}`, `{"eventKey":"entry2","unwrap":"pubsub"}`, 1)
	g := newGateway(t, cfg)
	binary := []string{"Ce-Specversion", "1.0", "Ce-Id", "7", "Ce-Source", "//s", "Ce-Type", "t", "Content-Type", "text/plain"}
	g.event("entry1", "body", binary...)
	require.Equal(t, true, g.event("entry1", "body", binary...).json["duplicate"])
	structured := `{"specversion":"1.0","id":"8","source":"//s","type":"t","data":{"a":1}}`
	g.event("entry1", structured, "Content-Type", "application/cloudevents+json")

	push := `{"message":{"data":"aGVsbG8=","messageId":"1"},"subscription":"projects/p/subscriptions/s"}`
	id := g.event("entry2", push, "Content-Type", "application/json").str("triggered")
	require.Equal(t, true, g.event("entry2", push, "Content-Type", "application/json").json["duplicate"], "redelivered")
	m := g.message(id)
	require.Equal(t, "hello", m.Events["entry2"].Events[0].Content, "unwrapped")
	byID := map[any]string{}
	for _, e := range m.Events["entry1"].Events {
		byID[e.CloudEvent["id"]] = e.Content
	}
	require.Equal(t, map[any]string{"7": "body", "8": structured}, byID, "attributes kept, bodies unchanged")

	id = g.do("POST", "/trigger", "").str("triggered")
	require.Empty(t, id)
	g.event("entry1", push)
	require.Equal(t, push, g.message(g.do("POST", "/trigger", "").str("triggered")).Events["entry1"].Events[0].Content, "as it came")
}

func TestBatch(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"maxEventBytes":200`))
	batch := `[{"specversion":"1.0","id":"1","source":"s","type":"t"},{"specversion":"1.0","id":"2","type":"t"},
		{"specversion":"1.0","id":"1","source":"s","type":"t"},3,{"specversion":"1.0","id":"9","source":"s","type":"` + strings.Repeat("x", 200) + `"}]`
	a := g.do("POST", "/events/entry1", batch, "Content-Type", "application/cloudevents-batch+json")
	require.Equal(t, 200, a.status, "%s", a.raw)
	var got struct {
		Results []struct {
			Status    int
			Duplicate bool
			Error     string
		}
	}
	require.NoError(t, json.Unmarshal(a.raw, &got))
	require.Len(t, got.Results, 5)
	require.Equal(t, 200, got.Results[0].Status)
	require.Equal(t, 400, got.Results[1].Status)
	require.Contains(t, got.Results[1].Error, `item 1: CloudEvent attribute "source"`)
	require.True(t, got.Results[2].Duplicate)
	require.Equal(t, 400, got.Results[3].Status)
	require.Equal(t, 413, got.Results[4].Status)

	a = g.do("POST", "/events/entry2", `["a", {"b" : 1}]`, "Content-Type", "application/json", "Idempotency-Key", "batch")
	id := a.str("triggered")
	contents := []string{}
	for _, e := range g.message(id).Events["entry2"].Events {
		contents = append(contents, e.Content)
	}
	require.ElementsMatch(t, []string{`"a"`, `{"b" : 1}`}, contents)
	a = g.do("POST", "/events/entry2", `["a", {"b" : 1}]`, "Content-Type", "application/json", "Idempotency-Key", "batch")
	require.Contains(t, string(a.raw), `"duplicate":true`)

	for range 2 { // a key of nothing but space is none: these are four events
		a = g.do("POST", "/events/entry1", `[1,2]`, "Idempotency-Key", "\u00a0")
		require.NotContains(t, string(a.raw), `"duplicate":true`)
	}

	for _, bad := range []string{`{}`, `[1`, ``, `[` + strings.Repeat("1,", 1000) + `1]`} {
		require.Equal(t, 400, g.do("POST", "/events/entry1", bad).status, "%.20s", bad)
	}
	require.Equal(t, 200, g.do("POST", "/events/entry1", `[]`).status)
	require.Equal(t, 400, g.do("POST", "/event/entry1", "[]", "Content-Type", "application/cloudevents-batch+json").status)
	require.Equal(t, 413, g.do("POST", "/events/entry1", strings.Repeat(" ", maxBatchBytes+1)).status)
	many := "[" + strings.Repeat("1,", 999) + "1]"
	a = g.do("POST", "/events/entry1", many, "X-Large", strings.Repeat("x", 100_000))
	require.Equal(t, 413, a.status, "100 MB from 100 kB")
	require.Contains(t, a.str("detail"), "headers")
	require.Equal(t, 200, g.do("POST", "/events/entry1", many, "X-Usual", strings.Repeat("x", 2_000)).status)
}

func TestSeveralServices(t *testing.T) {
	t.Parallel()
	names := []string{"x/y", "/", ".", "..", "__x__", "with space", "日本 🚰", "a%2Fb", strings.Repeat("n", 2000)}
	var list []string
	for _, n := range names {
		b, _ := json.Marshal(n)
		list = append(list, strings.Replace(oneService(""), `"My First Event Sync"`, string(b), 1))
	}
	g := newGateway(t, `{"services":[`+strings.Join(list, ",")+`]}`)
	for _, n := range names {
		prefix := "/services/" + gate.PathSegment(n)
		require.Equal(t, 200, g.do("POST", prefix+"/event/entry1", "a").status, n)
		require.Nil(t, g.do("POST", prefix+"/check", "").json["triggered"])
	}
	for _, n := range names {
		prefix := "/services/" + gate.PathSegment(n)
		a := g.do("POST", prefix+"/event/entry2", "b")
		require.NotNil(t, a.json["triggered"], n)
		m := g.do("GET", prefix+"/messages/"+a.str("triggered"), "")
		require.Equal(t, n, m.json["serviceName"])
		require.Equal(t, n, g.do("GET", prefix+"/config", "").json["serviceName"])
	}
	require.Len(t, g.bus.all(), len(names))
	require.Equal(t, "x/y", g.do("GET", "/status", "").json["serviceName"], "the short paths serve the first")
	a := g.do("GET", "/services/nope/status", "")
	require.Equal(t, 404, a.status)
	require.Contains(t, a.str("detail"), "x/y")
	require.Contains(t, string(g.do("GET", "/config", "").raw), `"services"`)
}

// A redirect must keep the service. Otherwise an event would get into the first service's
// window.
func TestAPathThatIsNotCleanStaysWithItsService(t *testing.T) {
	t.Parallel()
	second := strings.Replace(oneService(""), "My First Event Sync", "the/second one", 1)
	g := newGateway(t, `{"services":[`+oneService("")+`,`+second+`]}`)
	send := func(target string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		g.h.ServeHTTP(w, httptest.NewRequest("POST", target, strings.NewReader("x")))
		return w
	}
	for _, path := range []string{"//event/entry1", "/event//entry1", "/./event/entry1", "/x/../event/entry1"} {
		w := send("/services/the%2Fsecond%20one" + path + "?a=1")
		require.Equal(t, http.StatusTemporaryRedirect, w.Code, path)
		require.Equal(t, "/services/the%2Fsecond%20one/event/entry1?a=1", w.Header().Get("Location"), path)
	}
	for _, path := range []string{"/event", "/events", "/event/", "/events/"} {
		w := send("/services/the%2Fsecond%20one" + path)
		require.Equal(t, http.StatusNotFound, w.Code, path)
		require.Contains(t, w.Body.String(), "entry1", path)
	}
	require.Equal(t, 404, send("/event").Code)
}

func TestEveryEventIsInExactlyOneMessageUnderConcurrency(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	const n = 2000
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := w; i < n; i += 32 {
				a := g.do("POST", fmt.Sprintf("/event/entry%d", 1+i%2), fmt.Sprint(i))
				if a.status != 200 {
					t.Errorf("%d: %s", a.status, a.raw)
				}
			}
		})
	}
	wg.Wait()
	g.do("POST", "/trigger", "")
	seen := map[string]int{}
	for _, m := range g.bus.all() {
		var msg syncMessage
		require.NoError(t, json.Unmarshal(m.Data, &msg))
		for _, list := range msg.Events {
			for _, e := range list.Events {
				seen[e.Content]++
			}
		}
	}
	require.Len(t, seen, n)
	for content, times := range seen {
		require.Equal(t, 1, times, content)
	}
}

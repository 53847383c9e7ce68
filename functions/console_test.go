package functions

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/doctor"
)

const withToken = `,"auth":{"tokens":[{"name":"a","sha256":"` + readerHash + `","roles":["read"]}]}`

// readerHash is the hash of "token-read".
const readerHash = "990252273aeedbafc14b317b19e00ceb178afff6e76bfb0f224e9dda3b3eb50a"

func TestConsoleFiles(t *testing.T) {
	t.Parallel()
	open := newGatewayOn(t, oneService(""), true)
	for path, kind := range map[string]string{
		"/console": "text/html; charset=utf-8", "/console/app.js": "text/javascript; charset=utf-8", "/console/console.css": "text/css; charset=utf-8", "/console/icon.svg": "image/svg+xml",
	} {
		a := open.do("GET", path, "")
		require.Equal(t, 200, a.status, path)
		require.Equal(t, kind, a.header.Get("Content-Type"))
		require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	}
	require.Equal(t, 404, open.do("GET", "/console/nothing.js", "").status)
	require.Equal(t, 404, open.do("GET", "/console/..%2Fconsole.go", "").status)
	require.Equal(t, 405, open.do("POST", "/console", "").status)
	slash := httptest.NewRecorder()
	open.h.ServeHTTP(slash, httptest.NewRequest("GET", "/console/", nil))
	require.Equal(t, 308, slash.Code)
	require.Equal(t, "../console", slash.Header().Get("Location"))

	cloud := newGateway(t, oneService(""))
	require.Equal(t, 403, cloud.do("GET", "/console", "").status, "without auth anybody could operate it")
	require.Equal(t, 200, newGateway(t, oneService(withToken)).do("GET", "/console", "").status)
	require.Equal(t, 404, newGatewayOn(t, oneService(""), true, Status).do("GET", "/console", "").status)
}

// The commands that the console shows must reach the emulator that the server uses.
func TestTheConsoleKnowsOfTheEmulator(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"": `content=""`, "127.0.0.1:8085": `content="127.0.0.1:8085"`, "http://[::1]:8085": `content="[::1]:8085"`, `"><script>`: `content="&#34;&gt;&lt;script&gt;"`} {
		page := func(place doctor.Place) string {
			cfg, err := config.Parse([]byte(oneService("")))
			require.NoError(t, err)
			g := newGatewayWith(t, cfg, true, func(_ *gateway, o *app.Options) { o.Place = place })
			return string(g.do("GET", "/console", "").raw)
		}
		require.Contains(t, page(doctor.Place{PubSubEmulator: host}), `<meta name="pubsub-emulator" `+want+`>`)
		require.Contains(t, page(doctor.Place{Firestore: host != "", FirestoreEmulator: host}), `<meta name="firestore" `+want+`>`)
		require.Contains(t, page(doctor.Place{Firestore: true, Project: "p-1"}), `<meta name="firestore" content="cloud">`)
	}
}

func TestPendingAndHistory(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(oneService(""), `{"eventKey":"entry1"}`, `{"eventKey":"entry1","minNbOfOccurrence":3}`, 1))
	began := g.clock()
	g.event("entry1", "a")
	g.advance(90 * time.Second)
	g.event("entry1", "b")
	p := g.do("GET", "/pending", "")
	require.Equal(t, 3600, p.num("observationPeriod"))
	entry1 := p.list("endpoints")[0]
	events := entry1["events"].([]any)
	require.Len(t, events, 2)
	first := events[0].(map[string]any)
	require.Equal(t, began.Format(time.RFC3339), first["receivedAt"])
	require.Equal(t, began.Add(time.Hour).Format(time.RFC3339), first["leavesAt"])
	require.Equal(t, false, entry1["more"])
	few := g.do("GET", "/services/My%20First%20Event%20Sync/pending?limit=1", "").list("endpoints")[0]
	require.Len(t, few["events"], 1)
	require.Equal(t, true, few["more"])
	for _, bad := range []string{"limit=0", "limit=x", "limit=1001", "page=2"} {
		require.Equal(t, 400, g.do("GET", "/pending?"+bad, "").status, bad)
	}

	g.event("entry2", "c")
	require.NotEmpty(t, g.event("entry1", "d").str("triggered"))
	h := g.do("GET", "/history", "")
	require.Equal(t, []map[string]any{
		{"at": began.Format(time.RFC3339), "events": 1.0, "messages": 0.0}, {"at": began.Add(time.Minute).Format(time.RFC3339), "events": 3.0, "messages": 1.0},
	}, h.list("steps"), "events that wait, and events that were published")
	require.Equal(t, began.Format(time.RFC3339), h.list("messages")[0]["firstEvent"])
	require.Equal(t, false, h.json["partial"])

	g.advance(50 * time.Minute)
	g.event("entry1", "e")
	require.Len(t, g.do("GET", "/history", "").list("steps"), 3)
	g.advance(15 * time.Minute)
	later := g.do("GET", "/history", "")
	require.Len(t, later.list("steps"), 1, "the history covers one hour")
	require.Empty(t, later.list("messages"))
	day := g.do("GET", "/history?span=day", "")
	require.Equal(t, 1800, day.num("stepSeconds"))
	require.Equal(t, []map[string]any{
		{"at": began.Format(time.RFC3339), "events": 4.0, "messages": 1.0}, {"at": began.Add(30 * time.Minute).Format(time.RFC3339), "events": 1.0, "messages": 0.0},
	}, day.list("steps"))
	require.Len(t, day.list("messages"), 1)
	require.Equal(t, 10800, g.do("GET", "/history?span=week", "").num("stepSeconds"))
	require.Equal(t, 400, g.do("GET", "/history?span=year", "").status)
}

func TestCheckingADefinition(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	good := `{"id":"a","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"a.csv","selectedDatatypes":["row"]}}`
	require.Equal(t, true, g.do("POST", "/sync/check", good).json["valid"])
	require.Equal(t, 404, g.do("GET", "/sync/a", "").status, "nothing is kept")
	bad := g.do("POST", "/sync/check", strings.Replace(strings.Replace(good, `"orgId":"o",`, "", 1), `"pull"`, `"sideways"`, 1))
	require.Equal(t, 200, bad.status)
	var paths []string
	for _, e := range bad.list("errors") {
		paths = append(paths, e["path"].(string))
	}
	require.Equal(t, []string{"orgId", "type"}, paths)
	require.Equal(t, "nonsense", g.do("POST", "/sync/check", strings.Replace(good, `"id"`, `"nonsense"`, 1)).list("errors")[0]["path"])
	require.Contains(t, g.do("POST", "/sync/check", `{`).list("errors")[0]["message"], "not JSON")
	refused := g.do("POST", "/sync", strings.Replace(good, `"pull"`, `"sideways"`, 1))
	require.Equal(t, 400, refused.status)
	require.Equal(t, "type", refused.list("errors")[0]["path"], "every fault has its path")
}

// The echo pattern: the server tells clients that the list changed, and fetches only
// when one of them asks.
func TestDraftByEcho(t *testing.T) {
	t.Parallel()
	f := newFluid(t, "")
	own := newFluid(t, `},"drafts":[{"name":"task-list-1","echo":true,"externalData":{"url":"`+f.external+`"}}],"live":{"maxSubscriptions":10`)
	set := func(name string) {
		status, body := post(t, f.external+"/set-tasks/task-list-1", `{"taskList":`+strings.Replace(alphaBeta, "Alpha", name, 1)+`}`)
		require.Equal(t, 200, status, body)
		require.Equal(t, 200, own.do("POST", "/echo-external-data-webhook", `{"data":`+alphaBeta+`}`).status)
	}
	set("Alpha")
	require.Equal(t, "Alpha", own.do("GET", "/drafts/task-list-1", "").at("draft", "12", "name"))
	next := own.live("task-lists", "task-list-1")
	set("Alfa")
	_, heard := next(10 * time.Second)
	require.True(t, heard, "clients get a signal that the list changed")
	require.Equal(t, "Alpha", own.do("GET", "/drafts/task-list-1", "").at("incoming", "12", "name"), "no client asked for a fetch yet")
	fetched := own.do("POST", "/drafts/task-list-1/fetch", "")
	require.Equal(t, "Alfa", fetched.at("incoming", "12", "name"))
}

// Redacted credentials are not kept when a definition is changed to another system.
func TestRedactedCredentialsStayWithTheirSystem(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	def := `{"id":"a","orgId":"o","type":"pull","datasource":{"type":"api","url":"https://a.example/v1","selectedDatatypes":["task"],"options":{"list":"{type}","auth":{"type":"bearer","token":"s3cret"}}}}`
	require.Equal(t, 201, g.do("POST", "/sync", def).status)
	shown := strings.Replace(def, "s3cret", "REDACTED", 1)
	require.Equal(t, 200, g.do("PUT", "/sync/a", strings.Replace(shown, "/v1", "/v2", 1)).status, "the same system")
	stolen := g.do("PUT", "/sync/a", strings.Replace(shown, "a.example", "b.example", 1))
	require.Equal(t, 400, stolen.status)
	require.Equal(t, "datasource.url", stolen.list("errors")[0]["path"])
	require.Equal(t, 200, g.do("PUT", "/sync/a", strings.Replace(strings.Replace(def, "a.example", "b.example", 1), "s3cret", "another", 1)).status)
	require.Equal(t, 400, g.do("PUT", "/sync/a", shown).status, "nor back")
}

// The console's view of webhooks loads again when a delivery was made.
func TestTheConsoleHearsOfDeliveries(t *testing.T) {
	t.Parallel()
	f := newFluid(t, "")
	first := f.do("POST", "/register-for-webhook", `{"url":"`+f.listener+`"}`)
	require.Equal(t, 200, first.status, "%s", first.raw)
	next := f.live("headgate/webhooks", "all")
	f.do("POST", "/echo-external-data-webhook", `{"data":`+newTasks+`}`)
	_, ok := next(30 * time.Second)
	require.True(t, ok)
	require.Equal(t, 200, f.do("GET", "/console/webhooks.js", "").status)
	require.Eventually(t, func() bool {
		sent := f.do("GET", "/webhooks/"+first.str("id")+"/deliveries", "").list("deliveries")
		return len(sent) == 1 && sent[0]["state"] == "delivered"
	}, 30*time.Second, 5*time.Millisecond)
}

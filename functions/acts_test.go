package functions

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
)

// Whoever adds a route that people change something with must say whether the audit has it.
func TestEveryRouteThatChangesSomethingIsAuditedOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, rt := range routes {
		if !rt.described() {
			continue
		}
		known[rt.doc.id] = true
		_, audited := acts[rt.doc.id]
		reason, excepted := unaudited[rt.doc.id]
		if rt.methods == "GET" {
			require.False(t, audited || excepted, "%s only reads", rt.doc.id)
			continue
		}
		require.True(t, audited != excepted, "%s %s (%s) must stand in acts, or in unaudited with a reason", rt.methods, rt.path, rt.doc.id)
		if excepted {
			require.Contains(t, reason, " ", rt.doc.id)
		}
	}
	for _, id := range slices.Concat(slices.Collect(maps.Keys(acts)), slices.Collect(maps.Keys(unaudited))) {
		require.True(t, known[id], "no route is %s", id)
	}
}

// actor does acts with a token, and requires that each has its entry.
type actor struct {
	*gateway
	done map[string]bool // operations
	last string          // auditId of the newest entry
}

const actorToken = "kate's own secret"

func tokenOf(name, token, role string) string {
	sum := sha256.Sum256([]byte(token))
	return fmt.Sprintf(`{"name":%q,"sha256":%q,"roles":[%s]}`, name, hex.EncodeToString(sum[:]), role)
}

func newActor(t *testing.T, more string) *actor {
	cfg := oneService(`,"auth":{"tokens":[` + tokenOf("kate", actorToken, `"operate","read","ingest"`) + `]},"echo":{"allowTargets":["127.0.0.1"]},
		"drafts":[{"name":"items","records":{"orgId":"default","type":"items"}}]` + more)
	return &actor{gateway: newGatewayOn(t, cfg, true), done: map[string]bool{}}
}

func (a *actor) as(method, path, body string) answer {
	a.Helper()
	headers := []string{"Authorization", "Bearer " + actorToken}
	if strings.HasPrefix(path, "/files/") {
		headers = append(headers, "Content-Type", "text/csv")
	}
	return a.do(method, path, body, headers...)
}

// entries returns the entries since the last call, newest first.
func (a *actor) entries() []map[string]any {
	a.Helper()
	all := a.as("GET", "/audit?limit=1000", "").list("entries")
	fresh := all
	if at := slices.IndexFunc(all, func(e map[string]any) bool { return e["auditId"] == a.last }); at >= 0 {
		fresh = all[:at]
	}
	if len(all) > 0 {
		a.last, _ = all[0]["auditId"].(string)
	}
	return fresh
}

// act does an act, and returns its entry's detail.
func (a *actor) act(id, object, method, path, body string) (answer, map[string]any) {
	a.Helper()
	a.entries()
	a.advance(time.Second)
	got := a.as(method, path, body)
	require.Less(a, got.status, 300, "%s: %s", id, got.raw)
	entries := a.entries()
	require.Len(a, entries, 1, id)
	e := entries[0]
	action := acts[id].action
	if action == "" {
		action = id
	}
	require.Equal(a, action, e["action"])
	require.Equal(a, "kate", e["who"], "the token's name")
	require.Equal(a, object, e["object"], id)
	require.Equal(a, "done", e["outcome"])
	require.NotContains(a, fmt.Sprint(e), actorToken)
	a.done[id] = true
	detail, _ := e["detail"].(map[string]any)
	return got, detail
}

// Each act leaves one entry, which says who did what to what.
func TestEveryActHasOneEntry(t *testing.T) {
	t.Parallel()
	a := newActor(t, "")
	a.gateActs(t)
	a.recordActs()
	a.syncActs(t)
	a.webhookActs(t)
	require.ElementsMatch(t, slices.Collect(maps.Keys(acts)), slices.Collect(maps.Keys(a.done)), "every act is tried")
}

const ofService = "/services/My%20First%20Event%20Sync"

func (a *actor) gateActs(t *testing.T) {
	require.Equal(t, 200, a.as("POST", "/event/entry1", "x").status)
	require.Empty(t, a.entries(), "an event is no act")
	got, detail := a.act("trigger", ofService, "GET", "/trigger", "")
	require.Equal(t, map[string]any{"eventID": got.str("triggered")}, detail)
	_, detail = a.act("replay", ofService+"/messages/"+got.str("triggered"), "POST", "/messages/"+got.str("triggered")+"/replay", "")
	require.Empty(t, detail)
	require.Equal(t, 200, a.as("POST", "/event/entry2", "x").status)
	_, detail = a.act("reset", ofService, "POST", "/reset?eventKey=entry2", "")
	require.Equal(t, map[string]any{"eventKey": "entry2", "events": "1"}, detail)
	_, detail = a.act("triggerAlias", ofService, "POST", "/event/trigger", "")
	require.Empty(t, detail, "the window was empty")

	require.Equal(t, 404, a.as("POST", "/messages/none/replay", "").status)
	failed := a.entries()
	require.Len(t, failed, 1)
	require.Equal(t, "failed", failed[0]["outcome"])
	require.Equal(t, `no message "none"`, failed[0]["error"])
	require.Equal(t, 405, a.as("HEAD", "/trigger", "").status)
	require.Empty(t, a.entries(), "HEAD acts nowhere")
}

func (a *actor) recordActs() {
	a.act("putRecord", "/orgs/default/items/a%20b", "PUT", "/orgs/default/items/a%20b", `{"name":"x"}`)
	a.act("patchRecord", "/orgs/default/items/a%20b", "PATCH", "/orgs/default/items/a%20b", `{"name":"y"}`)
	require.Equal(a, 200, a.as("GET", "/drafts/items", "").status)
	a.act("editDraft", "/drafts/items", "PATCH", "/drafts/items", `{"rows":{"a b":{"name":"z"}}}`)
	_, detail := a.act("decideDraft", "/drafts/items", "POST", "/drafts/items/save", "")
	require.Equal(a, map[string]any{"decision": "save"}, detail)
	a.act("deleteRecord", "/orgs/default/items/a%20b", "DELETE", "/orgs/default/items/a%20b", "")
	require.Equal(a, 404, a.as("DELETE", "/orgs/default/items/a%20b", "").status)
	require.Empty(a, a.entries(), "nothing was deleted")
}

func (a *actor) syncActs(t *testing.T) {
	a.act("uploadFile", "/files/readings.csv", "PUT", "/files/readings.csv", threeReadings)
	def := readingsSync(`,"conflict":"manual"`)
	a.act("createSync", "/sync/readings", "POST", "/sync", def)
	a.act("updateSync", "/sync/readings", "PUT", "/sync/readings", def)
	run, detail := a.act("runSync", "/sync/readings", "POST", "/sync/readings/run?wait=true&method=pull", "")
	require.Equal(t, map[string]any{"runId": run.str("id"), "method": "pull"}, detail)
	id, _ := a.as("GET", "/orgs/acme/reading?limit=1", "").list("records")[0]["id"].(string)
	require.Equal(t, 200, a.as("PATCH", "/orgs/acme/reading/"+url.PathEscape(id), `{"value":1}`).status)
	a.file("readings.csv", strings.ReplaceAll(threeReadings, "8.75", "2"))
	a.act("runSyncShort", "/sync/readings", "POST", "/sync/readings?wait=true", "")
	a.act("decide", "/sync/readings/conflicts/"+url.PathEscape(id), "POST", "/sync/readings/conflicts/"+url.PathEscape(id), `{"choose":"source"}`)
	a.act("runExternal", "/sync/readings", "POST", "/api/sync/external", `{"configId":"readings"}`)
	a.act("runOrgSync", "/sync/readings", "POST", "/ourwater/acme/run/readings?wait=true", "")
	a.act("retryRejects", "/sync/readings", "POST", "/sync/readings/rejects/retry?wait=true", "")
	a.file("readings.csv", "well,at,value,n\nw1,2026-01-05,2,1\nw1,2026-01-12,8.8,2\nw2,2026-01-05,3,3\n")
	a.act("updateSync", "/sync/readings", "PUT", "/sync/readings", strings.Replace(def, `"key":["well","at"]`, `"key":["n"]`, 1))
	require.Equal(t, 200, a.as("POST", "/sync/readings/relink", "").status)
	require.Empty(t, a.entries(), "it said only what it would do")
	a.act("relinkSync", "/sync/readings", "POST", "/sync/readings/relink?confirm=true", "")
	a.act("deleteSync", "/sync/readings", "DELETE", "/sync/readings", "")

	reached, held := make(chan struct{}, 10), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(held); slow.Close() })
	made, _ := a.act("createOrgSync", "/sync/slow", "POST", "/ourwater/acme", `{"id":"slow","type":"pull","datasource":{"type":"api","url":"`+slow.URL+`","selectedDatatypes":["x"],"options":{"list":"{type}"}}}`)
	require.Equal(t, "slow", made.str("id"))
	run = a.as("POST", "/sync/slow/run", "")
	require.Equal(t, 202, run.status, "%s", run.raw)
	<-reached
	a.act("cancelRun", "/sync/slow/runs/"+run.str("id"), "POST", "/sync/slow/runs/"+run.str("id")+"/cancel", "")
	held <- struct{}{}
	require.Eventually(t, func() bool { return a.as("GET", "/sync/slow/runs/"+run.str("id"), "").json["finishedAt"] != nil }, time.Minute, 5*time.Millisecond)
	a.act("deleteOrgSync", "/sync/slow", "DELETE", "/ourwater/acme/slow", "")
}

func (a *actor) webhookActs(t *testing.T) {
	s := newSubscriber(t, a.gateway)
	host := strings.TrimPrefix(s.URL, "http://")
	a.entries()
	got := a.as("POST", "/register-for-webhook", `{"url":"`+s.URL+`/?token=hush","types":["dev.headgate.records.changed.v1"]}`)
	require.Equal(t, 200, got.status, "%s", got.raw)
	object := "/webhooks/" + got.str("id")
	entries := a.entries()
	require.Len(t, entries, 1)
	require.Equal(t, object, entries[0]["object"])
	require.Equal(t, map[string]any{"host": host}, entries[0]["detail"], "the URL may hold a credential")
	a.done["registerWebhook"] = true
	s.mu.Lock()
	s.secret = got.str("secret")
	s.mu.Unlock()
	_, detail := a.act("testWebhook", object, "POST", object+"/test", "")
	require.Empty(t, detail)
	got, _ = a.act("rotateSecret", object, "POST", object+"/rotate", "")
	s.mu.Lock()
	s.secret = got.str("secret")
	s.mu.Unlock()
	s.events()
	require.Equal(t, 201, a.as("PUT", "/orgs/default/items/1", `{"name":"x"}`).status)
	require.Eventually(t, func() bool {
		require.Equal(t, 200, a.as("POST", "/webhooks/sweep", "").status)
		list := a.as("GET", object+"/deliveries", "").list("deliveries")
		return len(list) == 1 && list[0]["state"] == "delivered"
	}, 30*time.Second, 5*time.Millisecond)
	a.act("retryDelivery", object+"/deliveries/1", "POST", object+"/deliveries/1/retry", "")
	a.act("unregisterWebhook", object, "POST", "/unregister-webhook", `{"id":"`+strings.TrimPrefix(object, "/webhooks/")+`"}`)
	require.NotContains(t, string(a.as("GET", "/audit?limit=1000", "").raw), "hush")
}

// Where no callers are asked who they are, the operator's own machine is known by its place.
func TestWhoActsWithoutAuthentication(t *testing.T) {
	t.Parallel()
	for background, who := range map[bool]string{true: "local", false: "unknown"} {
		g := newGatewayOn(t, oneService(""), background)
		require.Equal(t, 200, g.do("POST", "/reset", "").status)
		entries := g.do("GET", "/audit", "").list("entries")
		require.Len(t, entries, 1)
		require.Equal(t, who, entries[0]["who"])
	}
}

// Who did what is for operators: it names people.
func TestTheAuditIsForOperators(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(oneService(`,"auth":{"tokens":[` + tokenOf("reader", "r", `"read"`) + "," + tokenOf("operator", "o", `"operate"`) + `]}`)))
	require.NoError(t, err)
	g := newGatewayOf(t, cfg, false)
	require.Equal(t, 403, g.do("GET", "/audit", "", "Authorization", "Bearer r").status)
	require.Equal(t, 200, g.do("GET", "/audit", "", "Authorization", "Bearer o").status)
	require.Equal(t, 200, g.do("POST", "/reset", "", "Authorization", "Bearer o").status)
	for query, n := range map[string]int{
		"": 1, "?who=operator": 1, "?who=reader": 0, "?action=reset": 1, "?action=replay": 0, "?object=" + ofService: 0,
		"?object=" + url.QueryEscape(ofService): 1, "?since=2026-05-01T12:00:00Z": 1, "?until=2026-05-01T12:00:00Z": 0,
	} {
		require.Len(t, g.do("GET", "/audit"+query, "", "Authorization", "Bearer o").list("entries"), n, query)
	}
	require.Equal(t, 200, g.do("POST", "/reset", "", "Authorization", "Bearer o").status)
	one := g.do("GET", "/audit?limit=1", "", "Authorization", "Bearer o")
	two := g.do("GET", "/audit?limit=1&after="+one.str("next"), "", "Authorization", "Bearer o")
	require.NotEqual(t, one.list("entries")[0]["auditId"], two.list("entries")[0]["auditId"])
	require.Nil(t, two.json["next"])
	for _, bad := range []string{"?after=x", "?since=yesterday", "?limit=0", "?by=kate"} {
		require.Equal(t, 400, g.do("GET", "/audit"+bad, "", "Authorization", "Bearer o").status, bad)
	}
}

// An act whose entry cannot be stored is not done.
func TestNoActWithoutItsEntry(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", "x")
	g.store.readOnly = true
	require.Equal(t, 503, g.do("POST", "/trigger", "").status)
	g.store.readOnly = false
	require.Empty(t, g.do("GET", "/messages", "").list("messages"))
	require.Empty(t, g.do("GET", "/audit", "").list("entries"))
}

package functions

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readingsSync returns the definition of a sync of a CSV file. more is added to it.
func readingsSync(more string) string {
	return `{"id":"readings","orgId":"acme","type":"pull","datasource":{"type":"csv","fileUrl":"readings.csv","selectedDatatypes":["reading"]},
		"mapping":{"reading":{"key":["well","at"],"fields":{
			"datetime":{"from":"at","type":"time","format":"2006-01-02"},
			"value":{"from":"value","type":"number","required":true}}}}` + more + `}`
}

const threeReadings = "well,at,value\nw1,2026-01-05,8.75\nw1,2026-01-12,8.8\nw2,2026-01-05,3\n"

func (g *gateway) file(name, content string) {
	g.Helper()
	require.NoError(g, g.dir.WriteFile(name, []byte(content), 0o600))
}

func (g *gateway) define(def string) answer {
	g.Helper()
	a := g.do("POST", "/sync", def)
	require.Equal(g, 201, a.status, "%s", a.raw)
	return a
}

// runSync runs a sync to its end.
func (g *gateway) runSync(id, query string) answer {
	g.Helper()
	a := g.do("POST", "/sync/"+id+"/run?wait=true"+query, "")
	require.Equal(g, 200, a.status, "%s", a.raw)
	return a
}

func (a answer) list(field string) []map[string]any {
	items, _ := a.json[field].([]any)
	out := make([]map[string]any, len(items))
	for i, item := range items {
		out[i], _ = item.(map[string]any)
	}
	return out
}

func (a answer) count(name string) int {
	counts, _ := a.json["counts"].(map[string]any)
	n, _ := counts[name].(float64)
	return int(n)
}

func TestSyncIsDefinedRunAndRead(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	created := g.define(readingsSync(""))
	require.Equal(t, "/sync/readings", created.header.Get("Location"))
	require.Equal(t, map[string]any{"syncId": "readings"}, created.json["data"], "OurWater's form")

	plan := g.runSync("readings", "&method=validate")
	require.Equal(t, "finished", plan.str("state"))
	require.Len(t, plan.list("plan"), 3)
	require.Equal(t, "create", plan.list("plan")[0]["action"])
	require.Empty(t, g.do("GET", "/orgs/acme/reading", "").list("records"), "a validation writes nothing")

	run := g.runSync("readings", "")
	require.Equal(t, "finished", run.str("state"))
	require.Equal(t, 3, run.count("created"))
	again := g.runSync("readings", "")
	require.Equal(t, 0, again.count("created")+again.count("updated"))

	g.file("readings.csv", strings.Replace(threeReadings, "8.8\n", "9\n", 1)+"w3,2026-01-05,high\n")
	third := g.runSync("readings", "&method=pullFrom")
	require.Equal(t, "failed", third.str("state"), "one of four is over 20 %%: %s", third.raw)

	runs := g.do("GET", "/sync/readings/runs?limit=2", "")
	require.Len(t, runs.list("runs"), 2)
	one := g.do("GET", run.header.Get("Location"), "")
	require.Equal(t, run.str("id"), one.str("id"))
	require.Equal(t, 404, g.do("GET", "/sync/readings/runs/none", "").status)
	require.Equal(t, 404, g.do("GET", "/sync/none/runs", "").status)
}

func TestRejectsAreKeptAndRetried(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings+"w3,2026-01-05,high\n")
	g.define(readingsSync(`,"maxRejected":0.5`))
	run := g.runSync("readings", "")
	require.Equal(t, "partial", run.str("state"))
	require.Equal(t, 1, run.count("rejected"))

	list := g.do("GET", "/sync/readings/rejects", "").list("rejects")
	require.Len(t, list, 1)
	require.Equal(t, "value", list[0]["field"])
	require.Contains(t, list[0]["reason"], "number")
	require.Equal(t, "high", list[0]["raw"].(map[string]any)["value"])

	// The rule was too strict. Without it the row is valid, and a retry does not read the file again.
	def := strings.Replace(readingsSync(`,"maxRejected":0.5`), `"type":"number","required":true`, `"type":"string"`, 1)
	require.Equal(t, 200, g.do("PUT", "/sync/readings", def).status)
	retried := g.do("POST", "/sync/readings/rejects/retry?wait=true", "")
	require.Equal(t, 200, retried.status, "%s", retried.raw)
	require.Equal(t, "finished", retried.str("state"), "%s", retried.raw)
	require.Equal(t, 1, retried.count("created"))
	require.Empty(t, g.do("GET", "/sync/readings/rejects", "").list("rejects"))
}

func TestDefinitionsAreEdited(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	first := g.define(readingsSync(""))
	etag := first.header.Get("ETag")
	require.NotEmpty(t, etag)
	require.Equal(t, 409, g.do("POST", "/sync", readingsSync("")).status, "the id is taken")
	shown := g.do("GET", "/sync/readings", "")
	require.Equal(t, etag, shown.header.Get("ETag"))

	put := g.do("PUT", "/sync/readings", readingsSync(`,"frequency":"daily"`), "If-Match", etag)
	require.Equal(t, 200, put.status, "%s", put.raw)
	require.Equal(t, 412, g.do("PUT", "/sync/readings", readingsSync(""), "If-Match", etag).status)
	require.Equal(t, 412, g.do("DELETE", "/sync/readings", "", "If-Match", etag).status)
	require.Equal(t, 412, g.do("DELETE", "/sync/readings", "", "If-Match", `"7"`, "If-Match", `"8"`).status)
	require.Equal(t, 404, g.do("PUT", "/sync/none", readingsSync("")).status)

	g.define(strings.Replace(readingsSync(""), `"id":"readings","orgId":"acme"`, `"orgId":"other"`, 1)) // an id of ours
	require.Len(t, g.do("GET", "/sync", "").list("syncs"), 2)
	require.Len(t, g.do("GET", "/sync?orgId=acme", "").list("syncs"), 1)
	require.Equal(t, 204, g.do("DELETE", "/sync/readings", "", "If-Match", etag, "If-Match", `"7", `+put.header.Get("ETag")).status, "lines are one list")
	require.Equal(t, 404, g.do("GET", "/sync/readings", "").status)
	require.Equal(t, 404, g.do("DELETE", "/sync/readings", "").status)
}

func TestTheThreeFormsOfADefinition(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.define(`{"data":` + readingsSync("") + `}`)
	a := g.do("POST", "/sync", `{"externalSync":{"type":"no-such-type","url":"https://example.org"}}`)
	require.Equal(t, 400, a.status)
	require.Contains(t, a.str("detail"), `"no-such-type" is not a type of data source: the types are api, csv`)
}

func TestCredentialsAreNotShown(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	def := strings.Replace(readingsSync(""), `"fileUrl":"readings.csv"`, `"fileUrl":"https://me:hunter2@example.org/x.csv","auth":"hunter2"`, 1)
	a := g.do("POST", "/sync", def)
	if a.status == 201 {
		require.NotContains(t, string(a.raw), "hunter2")
		require.NotContains(t, string(g.do("GET", "/sync", "").raw), "hunter2")
		a = g.do("GET", "/sync/readings", "")
	}
	require.NotContains(t, string(a.raw), "hunter2")
}

func TestBadSyncRequests(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"not JSON":             {"POST", "/sync", "{", 400, "not JSON"},
		"unknown field":        {"POST", "/sync", readingsSync(`,"colour":"red"`), 400, "colour"},
		"nothing":              {"POST", "/sync", `{}`, 400, "orgId"},
		"unknown kind":         {"POST", "/sync", `{"orgId":"a","type":"pull","datasource":{"type":"x"}}`, 400, "the types are api, csv"},
		"frequency":            {"POST", "/sync", readingsSync(`,"frequency":"now and then"`), 400, "frequency"},
		"definition too large": {"POST", "/sync", readingsSync(`,"name":"` + strings.Repeat("x", maxDefinition) + `"`), 413, "262144"},
		"method":               {"POST", "/sync/readings/run?method=teleport", "", 400, "validate, pull, push or both"},
		"method of the type":   {"POST", "/sync/readings/run?method=push", "", 400, "type pull"},
		"wait":                 {"POST", "/sync/readings/run?wait=perhaps", "", 400, "wait"},
		"parameter":            {"POST", "/sync/readings/run?mode=pull", "", 400, "mode"},
		"run of none":          {"POST", "/sync/none/run", "", 404, "none"},
		"limit":                {"GET", "/sync/readings/runs?limit=0", "", 400, "limit"},
		"cancel none":          {"POST", "/sync/readings/runs/none/cancel", "", 404, "none"},
		"decision":             {"POST", "/sync/readings/conflicts/r1", `{}`, 400, "empty"},
		"decision's choice":    {"POST", "/sync/readings/conflicts/r1", `{"choose":"both"}`, 400, "both"},
		"no conflict":          {"POST", "/sync/readings/conflicts/r1", `{"choose":"store"}`, 404, "r1"},
		"data of no type":      {"POST", "/sync/readings/data?type=well", `[]`, 400, "well"},
		"data not an array":    {"POST", "/sync/readings/data", `3`, 400, "array"},
		"data null":            {"POST", "/sync/readings/data", `[null]`, 400, "record 0"},
		"data twice":           {"POST", "/sync/readings/data", `[][]`, 400, "more than one"},
		"cursor and page":      {"GET", "/sync/readings/data?cursor=x&page=1", "", 400, "cursor"},
		"page":                 {"GET", "/sync/readings/data?page=-1", "", 400, "page"},
		"record not an object": {"PUT", "/orgs/acme/reading/r1", `[]`, 400, ""},
		"record null":          {"PUT", "/orgs/acme/reading/r1", `null`, 400, "object"},
		"record of all ids":    {"PUT", "/orgs/acme/reading/*", `{}`, 400, `no record can have the id "*"`},
		"record of all, coded": {"PUT", "/orgs/acme/reading/%2A", `{}`, 400, `no record can have the id "*"`},
		"patch none":           {"PATCH", "/orgs/acme/reading/r1", `{"a":1}`, 404, "r1"},
		"delete none":          {"DELETE", "/orgs/acme/reading/r1", "", 404, "r1"},
		"method not allowed":   {"PATCH", "/sync/readings", `{}`, 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.do(c.method, c.path, c.body)
			require.Equal(t, c.status, a.status, "%s", a.raw)
			require.Contains(t, a.str("detail"), c.says)
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		})
	}
}

func TestAOneTimeSyncRunsOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(`,"isOneTime":true`))
	g.runSync("readings", "&method=validate")
	g.runSync("readings", "")
	a := g.do("POST", "/sync/readings/run", "")
	require.Equal(t, 409, a.status)
	require.Contains(t, a.str("detail"), "one-time")
}

func TestOneRunAtATime(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	var b strings.Builder
	b.WriteString("well,at,value\n")
	for i := range 200_000 {
		fmt.Fprintf(&b, "w%d,2026-01-05,8.75\n", i)
	}
	g.file("readings.csv", b.String())
	g.define(readingsSync(""))
	started := g.do("POST", "/sync/readings", "") // the shorter path of OurWater
	require.Equal(t, 202, started.status, "%s", started.raw)
	id := started.str("id")
	require.Equal(t, map[string]any{"syncRunId": id}, started.json["data"])
	busy := g.do("POST", "/sync/readings/run", "")
	require.Equal(t, 409, busy.status, "%s", busy.raw)
	require.Equal(t, started.header.Get("Location"), busy.header.Get("Location"), "that run")

	require.Equal(t, 202, g.do("POST", "/sync/readings/runs/"+id+"/cancel", "").status)
	require.Eventually(t, func() bool {
		return g.do("GET", "/sync/readings/runs/"+id, "").str("state") == "cancelled"
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, 409, g.do("POST", "/sync/readings/runs/"+id+"/cancel", "").status)
}

func TestOthersPushInAndPullOut(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	in := g.do("POST", "/sync/readings/data?type=reading", `{"data":[
		{"well":"w1","at":"2026-01-05","value":8.75},{"well":"w1","at":"2026-01-12","value":"high"},{"well":"w1","at":"2026-01-19","value":"9.5"}]}`)
	require.Equal(t, 200, in.status, "%s", in.raw)
	results := in.list("results")
	require.Equal(t, "created", results[0]["result"])
	require.Equal(t, "rejected", results[1]["result"])
	require.Equal(t, "value", results[1]["field"])
	require.Equal(t, "created", results[2]["result"], "an invalid record does not affect the others")
	again := g.do("POST", "/sync/readings/data", `[{"well":"w1","at":"2026-01-05","value":8.75}]`)
	require.Equal(t, "unchanged", again.list("results")[0]["result"])

	out := g.do("GET", "/sync/readings/data?type=reading&limit=1", "")
	require.Len(t, out.list("data"), 1)
	next := out.str("next")
	require.NotEmpty(t, next)
	rest := g.do("GET", "/sync/readings/data?cursor="+url.QueryEscape(next), "")
	require.Len(t, rest.list("data"), 1)
	require.NotEqual(t, out.list("data")[0], rest.list("data")[0])
	paged := g.do("GET", "/sync/readings/data?start=0&limit=1&page=1", "")
	require.Equal(t, rest.list("data"), paged.list("data"))
	require.Empty(t, g.do("GET", "/sync/readings/data?start=5", "").list("data"))
}

func TestConflictsAreDecided(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(`,"conflict":"manual"`))
	g.runSync("readings", "")
	id, _ := g.do("GET", "/orgs/acme/reading?limit=1", "").list("records")[0]["id"].(string)
	require.Equal(t, 200, g.do("PATCH", "/orgs/acme/reading/"+url.PathEscape(id), `{"value":1}`).status)
	g.file("readings.csv", strings.ReplaceAll(threeReadings, "8.75", "2"))
	run := g.runSync("readings", "")
	require.Equal(t, 1, run.count("conflicts"), "%s", run.raw)

	list := g.do("GET", "/sync/readings/conflicts", "").list("conflicts")
	require.Len(t, list, 1)
	require.Equal(t, map[string]any{"field": "value", "base": 8.75, "store": 1.0, "source": 2.0}, list[0]["fields"].([]any)[0])
	decided := g.do("POST", "/sync/readings/conflicts/"+url.PathEscape(id), `{"choose":"source"}`)
	require.Equal(t, 200, decided.status, "%s", decided.raw)
	require.Nil(t, decided.json["conflict"])
	data := g.do("GET", "/orgs/acme/reading/"+url.PathEscape(id), "").json["data"].(map[string]any)
	require.Equal(t, 2.0, data["value"])
	require.Empty(t, g.do("GET", "/sync/readings/conflicts", "").list("conflicts"))
}

func TestWhatIsDueRunsOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(`,"frequency":"hourly"`))
	require.Empty(t, g.do("POST", "/sync/due", "").list("started"))
	g.advance(time.Hour)
	due := g.do("POST", "/sync/due", "")
	require.Len(t, due.list("started"), 1, "%s", due.raw)
	require.Equal(t, "schedule", due.list("started")[0]["trigger"])
	require.Empty(t, g.do("POST", "/sync/due", "").list("started"), "each time once")
	require.Eventually(t, func() bool {
		return g.do("GET", "/sync/readings/runs", "").list("runs")[0]["state"] == "finished"
	}, time.Minute, 10*time.Millisecond)
}

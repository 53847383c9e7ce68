package functions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStoreUnreachable(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.store.set(true)
	for _, a := range []answer{
		g.do("POST", "/event/entry1", "x"), g.do("POST", "/events/entry1", "[1]"), g.do("POST", "/trigger", ""),
		g.do("POST", "/check", ""), g.do("POST", "/reset", ""), g.do("GET", "/readyz", ""),
	} {
		requireProblem(t, a, 503)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.NotContains(t, string(a.raw), "secret cause")
	}
	require.Equal(t, 200, g.do("GET", "/healthz", "").status)
}

// newUnreachable has a configuration of everything that keeps documents, and a sync.
func newUnreachable(t *testing.T) *gateway {
	t.Helper()
	g := newGateway(t, oneService(`,"publicURL":"http://gate.example","echo":{"allowTargets":["t.example"]},
		"hooks":[{"name":"h","verify":{"type":"none"},"entity":"body.entity","id":"body.id","sync":"readings"}],
		"drafts":[{"name":"d","records":{"orgId":"acme","type":"reading"}}]`))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	return g
}

// requireUnreachable requires that each call, written as method, path and body, is answered as
// the store's errors are, whichever use case it is for.
func (g *gateway) requireUnreachable(t *testing.T, calls ...string) {
	t.Helper()
	for _, call := range calls {
		method, rest, _ := strings.Cut(call, " ")
		path, body, _ := strings.Cut(rest, " ")
		a := g.do(method, path, body)
		require.Equal(t, 503, a.status, "%s: %s", call, a.raw)
		require.Equal(t, "the store did not answer; send the request again", a.str("detail"), call)
		require.NotEmpty(t, a.header.Get("Retry-After"), call)
		require.NotContains(t, string(a.raw), errUnreachable.Error(), call)
	}
}

const (
	aTarget  = `{"url":"http://t.example/"}`
	aSession = `{"tenantId":"t","documentId":"d","externalTaskListId":"l"}`
)

func TestStoreUnreachableForDocuments(t *testing.T) {
	t.Parallel()
	g := newUnreachable(t)
	g.store.set(true)
	g.requireUnreachable(t,
		`GET /sync`, `POST /sync `+strings.Replace(readingsSync(""), "readings", "others", 1), `GET /sync/readings`, `PUT /sync/readings `+readingsSync(""),
		`DELETE /sync/readings`, `POST /sync/readings`, `POST /sync/due`, `POST /sync/readings/relink`, `POST /sync/readings/relink?confirm=true`,
		`GET /sync/readings/runs`, `GET /sync/readings/runs/r`, `POST /sync/readings/runs/r/cancel`,
		`GET /sync/readings/rejects`, `POST /sync/readings/rejects/retry`,
		`GET /sync/readings/conflicts`, `POST /sync/readings/conflicts/r {"choose":"store"}`,
		`GET /sync/readings/data`, `POST /sync/readings/data [{"id":"1"}]`,
		`GET /orgs/acme/reading`, `GET /orgs/acme/reading/1`, `PUT /orgs/acme/reading/1 {"n":1}`, `PATCH /orgs/acme/reading/1 {"n":1}`, `DELETE /orgs/acme/reading/1`,
		`GET /webhooks`, `GET /webhooks/w/deliveries`, `POST /webhooks/w/deliveries/1/retry`, `POST /webhooks/sweep`,
		`POST /register-for-webhook `+aTarget, `POST /unregister-webhook `+aTarget,
		`POST /register-session-url `+aSession, `POST /echo-external-data-webhook {"data":{}}`, `POST /hooks/h {"entity":"e","id":"1"}`,
		`GET /drafts/d`, `PATCH /drafts/d {"rows":{"1":{"n":1}}}`, `POST /drafts/d/fetch`, `POST /drafts/d/save`,
	)
}

func TestStoreTakesNoDocuments(t *testing.T) {
	t.Parallel()
	g := newUnreachable(t)
	require.Equal(t, 201, g.do("PUT", "/orgs/acme/reading/1", `{"n":1}`).status)
	require.Equal(t, 200, g.do("POST", "/register-for-webhook", `{"url":"http://t.example/1"}`).status)
	g.store.mu.Lock()
	g.store.readOnly = true
	g.store.mu.Unlock()
	g.requireUnreachable(t,
		`POST /sync `+strings.Replace(readingsSync(""), "readings", "others", 1), `PUT /sync/readings `+readingsSync(`,"maxRejected":0.5`), `DELETE /sync/readings`,
		`POST /sync/readings`, `POST /sync/readings/data [{"well":"w9","at":"2026-01-05","value":1}]`,
		`PUT /orgs/acme/reading/2 {"n":1}`, `PATCH /orgs/acme/reading/1 {"n":2}`, `DELETE /orgs/acme/reading/1`,
		`POST /register-for-webhook `+aTarget, `POST /unregister-webhook {"url":"http://t.example/1"}`,
		`POST /register-session-url `+aSession, `POST /echo-external-data-webhook {"data":{}}`, `POST /hooks/h {"entity":"e","id":"1"}`,
		`GET /drafts/d`,
	)
}

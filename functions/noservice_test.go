package functions

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// A deployment that only has syncs, webhooks, drafts or live clients works without a gate,
// and the paths of a gate say why they do not.
func TestADeploymentWithoutServices(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, `{"hooks":[{"name":"h","verify":{"type":"none"},"sync":"readings"}]}`, true)
	for _, rt := range routes {
		_, one := rt.handle.(perService)
		for _, method := range strings.Fields(rt.methods) {
			if !one || method == anyMethod {
				continue
			}
			path := strings.NewReplacer("{key...}", "a", "{eventID}", "e").Replace(rt.path)
			for _, prefix := range []string{"", "/services/s"} {
				requireProblem(t, g.do(method, prefix+path, "[]"), 404, "names no service")
			}
		}
	}
	requireProblem(t, g.do("POST", "/event/a", "x"), 404, "names no service")
	requireProblem(t, g.do("POST", "/event/trigger", ""), 404, "names no service")
	requireProblem(t, g.do("GET", "/services/s/config", ""), 404, "names no service")
	for _, path := range []string{"/config", "/readyz", "/healthz", "/openapi.json", "/sync", "/console", "/live/clients"} {
		require.Equal(t, 200, g.do("GET", path, "").status, path)
	}
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	require.Equal(t, 200, g.do("POST", "/hooks/h", "{}").status)
	require.Eventually(t, func() bool {
		runs := g.do("GET", "/sync/readings/runs", "").list("runs")
		return len(runs) == 1 && runs[0]["state"] == "finished"
	}, time.Minute, 10*time.Millisecond)
}

// The sweep of a gate deletes what has expired. Without a gate it is deleted all the same.
func TestExpiredDocumentsAreDeletedWithoutAGate(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, `{"sync":{}}`, true)
	seen := store.Collection{Kind: "seen", Scope: "h"}
	_, err := g.store.Commit(t.Context(), []store.Write{
		{Collection: seen, Doc: store.Doc{ID: "old", Body: []byte(`{}`), ExpireAt: g.clock().Add(time.Minute)}},
		{Collection: seen, Doc: store.Doc{ID: "young", Body: []byte(`{}`), ExpireAt: g.clock().Add(24 * time.Hour)}},
	})
	require.NoError(t, err)
	g.advance(2 * time.Hour) // the clock is trusted with deletions by then
	g.app.Start()
	require.Eventually(t, func() bool {
		docs, err := g.store.Get(t.Context(), seen, []string{"old", "young"})
		require.NoError(t, err)
		require.NotNil(t, docs[1])
		return docs[0] == nil
	}, time.Minute, 10*time.Millisecond)
}

func TestOneEndpointFiresByItself(t *testing.T) {
	t.Parallel()
	g := newGateway(t, strings.Replace(oneService(""), `{"eventKey":"entry1"},{"eventKey":"entry2"}`, `{"eventKey":"entry1","minNbOfOccurrence":2}`, 1))
	require.Empty(t, g.event("entry1", "a").str("triggered"))
	id := g.event("entry1", "b").str("triggered")
	require.Len(t, g.message(id).Events["entry1"].Events, 2)
}

package functions

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
)

// The Sync of OurWater's document is a definition letter for letter, on OurWater's paths:
// the class of its datasource, the names of its types, selectedDatatypes and lastSyncDate
// where the model has them. What is older than lastSyncDate is not read.
func TestOurWatersModelAndPaths(t *testing.T) {
	t.Parallel()
	theirs := mock.NewMyWell(mock.Options{})
	srv := httptest.NewServer(theirs)
	t.Cleanup(srv.Close)
	for i, at := range []string{"2026-01-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"} {
		require.NoError(t, theirs.Put("resource", mock.Row{"id": 1111 + i, "postcode": 313603, "villageId": 11, "type": "well", "owner": "o", "updatedAt": at}))
	}
	g := newGateway(t, oneService(""))
	def := func(last string) string {
		return `{"data":{"isOneTime":true,"datasource":{"type":"ApiDataSource","url":"` + srv.URL + `"},"type":"pullData","lastSyncDate":` + last + `,"selectedDatatypes":["resource","reading","group"]}}`
	}
	for last, wells := range map[string]int{"0": 2, fmt.Sprint(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC).UnixMilli()): 1, `"2026-02-01T00:00:00Z"`: 1} {
		org := fmt.Sprintf("org%d-%d", len(last), wells)
		path := "/ourwater/" + org
		a := g.do("POST", path, def(last))
		require.Equal(t, 201, a.status, "%s", a.raw)
		id := a.json["data"].(map[string]any)["syncId"].(string)
		require.Equal(t, org, a.json["sync"].(map[string]any)["orgId"])
		require.Equal(t, wells == 1, a.json["lastSyncDate"].(float64) > 0)

		require.Equal(t, 404, g.do("POST", "/ourwater/other/run/"+id+"?method=pullFrom", "").status)
		a = g.do("POST", path+"/run/"+id+"?method=pullFrom&wait=true", "")
		require.Equal(t, 200, a.status, "%s", a.raw)
		require.Equal(t, "finished", a.json["state"], "%s", a.raw)
		require.Equal(t, a.json["id"], a.json["data"].(map[string]any)["syncRunId"])
		require.Len(t, g.do("GET", "/orgs/"+org+"/resource", "").list("records"), wells)
		require.Equal(t, 409, g.do("POST", path+"/run/"+id+"?method=pullFrom", "").status, "a one-time sync runs once")
		require.Len(t, g.do("GET", path+"/syncRuns/"+id, "").list("runs"), 1)

		posted := g.do("POST", "/sync/"+id+"/data?type=resource", `{"data":[{"id":"a","resourceType":"volcano"},{"id":"b","resourceType":"well"}]}`).list("results")
		require.Equal(t, []any{"rejected", "resourceType", "created"}, []any{posted[0]["result"], posted[0]["field"], posted[1]["result"]})

		syncs := g.do("GET", path, "").list("syncs")
		require.Len(t, syncs, 1)
		require.InDelta(t, g.clock().UnixMilli(), syncs[0]["lastSyncDate"], 3600_000, "the last success")
		cursors := syncs[0]["cursors"].(map[string]any)
		require.Contains(t, cursors["resource"].(map[string]any)["pulledUpTo"], "2026-03-01")
		require.Equal(t, syncs[0]["cursors"], g.do("GET", "/sync/"+id, "").json["cursors"])
		require.Equal(t, 204, g.do("DELETE", path+"/"+id, "").status)
	}
	require.Equal(t, 400, g.do("POST", "/ourwater/a", `{"data":{"orgId":"b","type":"pull","datasource":{"type":"LegacyMyWellDatasource","url":"http://x"}}}`).status)
	for _, bad := range []string{"-1", "1.5", `"yesterday"`, "true", "99999999999999999"} {
		a := g.do("POST", "/ourwater/o", def(bad))
		require.Equal(t, 400, a.status, bad)
		require.Contains(t, string(a.raw), "lastSyncDate")
	}
}

package functions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A user of OurWater uploads a file with LegacyMyWell's ids, and creates and runs the sync as
// OurWater's documents say, letter for letter. A reading of an unknown well, one with a bad
// date and one with a missing cell are rejected; the others name their wells.
func TestOurWatersFile(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	for _, id := range []string{"313603.1170", "313603.1111"} {
		require.Equal(t, 201, g.do("PUT", "/orgs/o/resource/"+id, `{"resourceType":"well"}`).status)
	}
	const file = "Date\tPin\tWell\tLevel\n2017/01/05\t313603\t1170\t8.5\n15/02/2017\t313603\t1111\t7.25\n2017/1/6\t313603\t1111\t7\n" +
		"2017/01/05\t313603\t9999\t1\n2017-13-45\t313603\t1111\t2\n2017/01/07\t\t1111\t2\n2017/01/07\t313603\t1111\t\n"
	require.Equal(t, 200, g.do("PUT", "/files/readings.tsv", file, "Content-Type", "text/csv").status)
	a := g.do("POST", "/ourwater/o", `{"data":{"isOneTime":false,"datasource":{"type":"FileDatasource","fileUrl":"readings.tsv","dataType":"Reading","fileFormat":"TSV",
		"options":{"includesHeadings":true,"usesLegacyMyWellIds":true}},"type":"unknown","selectedDatatypes":["reading"],"maxRejected":1}}`)
	require.Equal(t, 201, a.status, "%s", a.raw)
	id := a.json["data"].(map[string]any)["syncId"].(string)
	a = g.do("POST", "/ourwater/o/run/"+id+"?method=pullFrom&wait=true", "")
	require.Equal(t, "partial", a.json["state"], "%s", a.raw)
	require.Equal(t, []int{3, 4}, []int{a.count("created"), a.count("rejected")}, "%s", a.raw)
	got := map[string]any{}
	for _, r := range g.do("GET", "/orgs/o/reading", "").list("records") {
		data := r["data"].(map[string]any)
		got[data["datetime"].(string)] = []any{data["resourceId"], data["timeseries"], data["value"], data["resourceType"]}
	}
	require.Equal(t, map[string]any{
		"2017-01-05T00:00:00Z": []any{"313603.1170", "default", 8.5, "raingauge"},
		"2017-02-15T00:00:00Z": []any{"313603.1111", "default", 7.25, "well"},
		"2017-01-06T00:00:00Z": []any{"313603.1111", "default", 7.0, "well"},
	}, got)
}

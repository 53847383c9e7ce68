package functions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Numbers of a run's progress come with what they count: bytes of a file, rows of any
// other source, records of a push.
func TestProgressNamesItsUnit(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	progress := func(a answer) map[string]any { return a.list("results")[0]["progress"].(map[string]any) }
	size := float64(len(threeReadings))
	require.Equal(t, map[string]any{"done": size, "total": size, "unit": "bytes"}, progress(g.runSync("readings", "")))

	g.define(`{"id":"out","orgId":"acme","type":"push","datasource":{"type":"csv","fileUrl":"readings.csv","selectedDatatypes":["reading"]},
		"mapping":{"reading":{"key":["well","at"],"fields":{"well":{"from":"well"},"at":{"from":"at"},"value":{"from":"value","type":"number"}}}}}`)
	pushed := g.runSync("out", "")
	require.Equal(t, "records", progress(pushed)["unit"], "%s", pushed.raw)
}

// A validation in which nothing is wrong has no warning. Its results say what is valid.
func TestAValidationReportsItsRowsInResults(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.file("readings.csv", threeReadings+"w3,2026-01-05,high\n")
	g.define(readingsSync(`,"maxRejected":0.5`))
	run := g.runSync("readings", "&method=validate")
	require.Empty(t, run.json["warnings"])
	require.Equal(t, "Validated 3 readings.", run.list("results")[0]["message"])
	require.NotContains(t, g.runSync("readings", "").list("results")[0], "message")
}

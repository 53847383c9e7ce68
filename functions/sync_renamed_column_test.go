package functions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A mapped column that is gone fails the run, and no record loses its field. One that was
// never there is none, and a mapping that no longer reads it lets the pulls go on.
func TestAMappedColumnThatIsGone(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	file := func(text string) { require.NoError(t, g.dir.WriteFile("f.csv", []byte(text), 0o600)) }
	definition := func(fields string) string {
		return `{"id":"s","orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"f.csv","selectedDatatypes":["t"]},"mapping":{"t":{"key":["id"],"fields":{` + fields + `}}}}`
	}
	run := func() answer { return g.do("POST", "/sync/s/run?wait=true", "") }
	file("id,value,note\n1,10,a\n")
	g.define(definition(`"value":{"from":"value"},"note":{"from":"note"},"never":{"from":"never"}`))
	require.Equal(t, "finished", run().str("state"))
	file("id,val,note\n1,10,b\n")
	for range 2 {
		a := run()
		require.Equal(t, "failed", a.str("state"))
		require.Contains(t, string(a.raw), `the column \"value\", which the mapping of t reads, is gone`)
	}
	require.Contains(t, string(g.do("GET", "/orgs/o/t/1", "").raw), `"value":"10"`)
	require.Equal(t, 200, g.do("PUT", "/sync/s", definition(`"value":{"from":"val"},"note":{"from":"note"}`)).status)
	require.Equal(t, "finished", run().str("state"))
	require.Contains(t, string(g.do("GET", "/orgs/o/t/1", "").raw), `"note":"b","value":"10"`)
}

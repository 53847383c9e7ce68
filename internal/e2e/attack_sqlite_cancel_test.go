package e2e_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A query that spends hours inside one call of a function ends when its run is cancelled.
func TestAttackLongCallsAreCancelled(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	database(t, filepath.Join(data, "some.db"))
	p := start(t, options{data: data})
	for id, query := range map[string]string{
		"instr":   "SELECT 1 AS id, instr(zeroblob(8000000), zeroblob(4000000)||x'01') AS name",
		"replace": "SELECT 1 AS id, replace(hex(zeroblob(3500000)), hex(zeroblob(1700000))||'1', '') AS name",
		"trim":    "SELECT 1 AS id, trim(hex(zeroblob(4000000)), replace(hex(zeroblob(3000000)), '0', '1')||'0') AS name",
		"like":    "SELECT 1 AS id, hex(zeroblob(4000000)) LIKE '%'||hex(zeroblob(24000))||'1' AS name",
	} {
		text, err := json.Marshal(query)
		require.NoError(t, err)
		p.defined(t, id, `{"type":"sql","url":"sqlite:some.db","selectedDatatypes":["reading"],"options":{"tables":{"reading":{"query":`+string(text)+`}}}}`)
		resp, body, err := p.call("POST", "/sync/"+id+"/run?method=validate", "")
		require.NoError(t, err)
		require.Equal(t, 202, resp.StatusCode, "%s", body)
		var run syncRun
		require.NoError(t, json.Unmarshal(body, &run))
		at := "/sync/" + id + "/runs/" + run.ID
		idle, _ := p.ticks(t)
		eventually(t, "the query runs", func() error {
			got, err := try[syncRun](p, "GET", at)
			if err == nil && got.State != "running" {
				err = fmt.Errorf("it is %s", got.State)
			}
			if n, ok := p.ticks(t); err == nil && ok && n-idle < 50 {
				err = fmt.Errorf("the process took %d ticks since", n-idle)
			}
			return err
		})
		resp, body, err = p.call("POST", at+"/cancel", "")
		require.NoError(t, err)
		require.Equal(t, 202, resp.StatusCode, "%s", body)
		eventually(t, "the run is cancelled", func() error {
			got, err := try[syncRun](p, "GET", at)
			if err == nil && got.State != "cancelled" {
				err = fmt.Errorf("it is %s", got.State)
			}
			return err
		})
	}
	code, _ := p.term(t, time.Minute)
	require.Zero(t, code)
}

package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatusNamesAlerts(t *testing.T) {
	t.Parallel()
	var s statusAnswer
	require.NoError(t, json.Unmarshal([]byte(`{"serviceName":"nightly","alerts":[
		{"kind":"overdue","at":"2026-05-03T04:30:00Z","missing":[{"eventKey":"stock","have":0,"need":1}]},
		{"kind":"incomplete","correlationKey":"17\n","at":"2026-05-03T04:15:00Z","missing":[{"eventKey":"stock","have":1,"need":2}],"waiting":true}]}`), &s))
	var out strings.Builder
	require.NoError(t, printStatus(&out, &s))
	require.Contains(t, out.String(), "alert: overdue, missing stock 0 of 1, 2026-05-03 04:30Z\n")
	require.Contains(t, out.String(), "missing stock 1 of 2, not delivered yet, 2026-05-03 04:15Z\n")
	require.NotContains(t, out.String(), "17\n", "a key begins no line of its own")
}

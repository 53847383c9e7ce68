package simulation

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/store"
)

// A document in the gate's outbox of alerts is a line, without what is random in it.
func TestAnAlertIsALine(t *testing.T) {
	t.Parallel()
	svc := config.Service{ServiceName: "s", Trigger: config.Trigger{Type: "window", ObservationPeriod: 60}, Endpoints: []config.Endpoint{{EventKey: "a", MinNbOfOccurrence: 1}}}
	var lines []*Line
	s := newSimulator(t.Context(), svc, func(l *Line) error { lines = append(lines, l); return nil })
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	require.NoError(t, s.start(noon))
	defer s.close()
	s.begin()
	docs := &documents{s.store, s}
	for _, c := range []store.Collection{{Kind: "alerts", Scope: "done/x"}, {Kind: "state", Scope: "done/x"}} {
		_, err := docs.Commit(t.Context(), []store.Write{{Any: true, Collection: c, Doc: store.Doc{
			ID: "1", Body: []byte(`{"id":"random","kind":"overdue","at":"2026-05-01T11:59:00Z","serviceName":"s","correlationKey":"k","missing":[]}`),
		}}})
		require.NoError(t, err)
	}
	require.NoError(t, s.finish())
	require.NoError(t, s.flush(time.Time{}))
	require.Len(t, lines, 1)
	text, err := json.Marshal(lines[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"at":"2026-05-01T11:59:00Z","kind":"alert","key":"k","alert":{"kind":"overdue","missing":[]}}`, string(text))
}

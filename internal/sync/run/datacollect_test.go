package run_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

const (
	collect = `{"externalSync":{"type":"mock-sync-server","url":"URL/mock-sync","extraFields":[{"name":"batchSize","value":"2"},{"name":"retryAttempts","value":"0"}]}}`
	openfn  = `{"externalSync":{"type":"openfn-adapter","url":"URL/events","extraFields":[{"name":"apiKey","value":"` + secretKey + `"},{"name":"retryAttempts","value":"0"}]}}`
)

func (b *bench) event(id string, at time.Time) {
	b.Helper()
	b.theirs("event", mock.Row{"guid": id, "type": "create", "timestamp": at.Format(time.RFC3339), "data": map[string]any{"n": 1}})
}

func (b *bench) ourEvent(id string) {
	b.Helper()
	b.put("event", id, map[string]any{"guid": id, "type": "create", "timestamp": b.now().Format(time.RFC3339), "data": map[string]any{"n": 1}})
}

// Each fault of DataCollect's External Sync, by name.
func TestDataCollectFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(b *bench){
		"a failed push prevents the pull": func(b *bench) {
			b.ourEvent("ours")
			b.event("theirs", b.now())
			b.mock.SetFaults(mock.Faults{mock.Rate500: {Next: 1}})
			require.Equal(b, syncrun.Failed, b.run(syncrun.Start{}).State)
			require.NotContains(b, b.records("event"), "theirs")
			b.finished(syncrun.Start{})
			require.Contains(b, b.records("event"), "theirs")
		},
		"the pull could never apply a record": func(b *bench) {
			b.event("a", b.now())
			b.finished(syncrun.Start{})
			require.Contains(b, b.records("event"), "a")
		},
		"pulled events could be pushed back": func(b *bench) {
			b.event("a", b.now())
			b.finished(syncrun.Start{})
			b.finished(syncrun.Start{})
			require.Zero(b, b.posts.Load())
		},
		"client-timestamp cursors lost late and equal-time events": func(b *bench) {
			at := b.now()
			b.event("first", at)
			b.finished(syncrun.Start{})
			b.event("equal", at)
			b.event("late", at.Add(-3*time.Hour))
			b.finished(syncrun.Start{})
			require.Len(b, b.records("event"), 3)
		},
		"re-pulling a known event got stuck": func(b *bench) {
			b.event("a", b.now())
			for range 3 {
				b.finished(syncrun.Start{})
			}
			require.Len(b, b.records("event"), 1)
		},
		"no lock against two runs at once": func(b *bench) {
			b.mock.SetFaults(mock.Faults{mock.Delay: {Ms: 300, Probability: 1}})
			run, err := b.svc.Start(context.Background(), "s", syncrun.Start{})
			require.NoError(b, err)
			_, err = b.svc.Start(context.Background(), "s", syncrun.Start{})
			require.Equal(b, fault.Conflict, fault.CodeOf(err))
			_, err = b.svc.Wait(context.Background(), "s", run.ID, nil)
			require.NoError(b, err)
		},
		"the cursor of a push moves after each batch that succeeded": func(b *bench) {
			for i := range 6 {
				b.ourEvent(fmt.Sprint("e", i))
				b.wait(time.Second)
			}
			b.mock.SetFaults(mock.Faults{mock.LostAnswer: {Next: 1}})
			require.Equal(b, syncrun.Failed, b.run(syncrun.Start{}).State)
			b.finished(syncrun.Start{})
			require.Len(b, b.mock.Rows("event"), 6)
			require.Len(b, b.records("event"), 6)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(between(t, mock.NewSyncServer, collect))
		})
	}
	t.Run("batchSize 0 looped for ever", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewSyncServer, collect)
		s, err := definition.Decode([]byte(`{"externalSync":{"type":"mock-sync-server","url":"http://127.0.0.1","extraFields":[{"name":"batchSize","value":"0"}]}}`))
		require.NoError(t, err)
		_, err = b.defs.Create(t.Context(), s)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
		require.ErrorContains(t, err, "batchSize must be an integer from 1")
	})
	t.Run("an unknown type lists the known ones", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewSyncServer, collect)
		s, err := definition.Decode([]byte(`{"externalSync":{"type":"other","url":"http://127.0.0.1"}}`))
		require.NoError(t, err)
		_, err = b.defs.Create(t.Context(), s)
		require.ErrorContains(t, err, "the types are legacy-mywell, mock-sync-server, openfn-adapter")
	})
	t.Run("configuration with secrets was written to the log", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewOpenFn, openfn)
		b.event("a", b.now())
		b.finished(syncrun.Start{})
		b.mock.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
		run := b.run(syncrun.Start{})
		require.Equal(t, syncrun.Failed, run.State)
		d, err := b.defs.Get(t.Context(), "s")
		require.NoError(t, err)
		shown, err := json.Marshal(d.Sync.Redact())
		require.NoError(t, err)
		shownRun, err := json.Marshal(run)
		require.NoError(t, err)
		require.NotContains(t, b.log.text()+string(shown)+string(shownRun), "hunter2")
	})
}

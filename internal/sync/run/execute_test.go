package run_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// A source that panics does not end the process, and its run ends as failed.
func TestAPanicFailsTheRun(t *testing.T) {
	t.Parallel()
	for _, during := range []string{"pull", "push"} {
		t.Run(during, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.put("a", map[string]any{"name": "a"})
			w.source.put("b", map[string]any{"name": "b"})
			switch during {
			case "pull":
				w.source.beforePage = func(int) error { panic("sk_prod_hunter2") }
			default:
				w.source.beforePush = func() error { panic("sk_prod_hunter2") }
			}
			run := w.run(syncrun.Start{})
			require.Equal(t, syncrun.Failed, run.State)
			require.Equal(t, []string{"internal error; the log has its cause"}, run.Errors)
			w.source.beforePage, w.source.beforePush = nil, nil
			w.wait(time.Second)
			w.finished(syncrun.Start{})
			require.Len(t, w.records(), 2)
			require.Len(t, w.source.live(), 2)
		})
	}
}

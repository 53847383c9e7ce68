package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func newSyncRuns(p *Process) *cobra.Command {
	return lists(p, &cobra.Command{
		Use: "runs ID", Short: "List the latest runs of a sync",
		Long:    "List the latest runs of a sync, the newest first.",
		Example: "  $ headgate sync runs readings-2026",
		Args:    operand("ID"),
	}, func(ctx context.Context, d deployment.Deployment, args []string) ([]*syncrun.Run, error) {
		runs, err := d.Runs(ctx, args[0])
		for i, run := range runs {
			runs[i] = run.Shown()
		}
		return runs, err
	}, []string{"run", "started", "method", "state", "read", "created", "updated", "deleted", "rejected", "error"}, func(r *syncrun.Run) []any {
		c := r.Counts
		return []any{r.ID, r.StartedAt.Format(time.RFC3339), r.Method, r.State,
			c.Read, c.Created, c.Updated, c.Deleted, c.Rejected, strings.Join(r.Errors, "; ")}
	})
}

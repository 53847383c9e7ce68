package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func newSyncRejects(p *Process) *cobra.Command {
	return lists(p, &cobra.Command{
		Use: "rejects ID", Short: "List the rows that a sync rejected",
		Long:    "List the rows that a sync rejected, with the field and the reason. --json also shows each row.",
		Example: "  $ headgate sync rejects readings-2026",
		Args:    operand("ID"),
	}, func(ctx context.Context, d deployment.Deployment, args []string) ([]*syncrun.Rejected, error) {
		return d.Rejects(ctx, args[0])
	}, []string{"phase", "type", "line", "key", "field", "reason", "times"}, func(r *syncrun.Rejected) []any {
		return []any{r.Phase, r.Datatype, r.Line, r.Key, r.Field, r.Reason, r.Count}
	})
}

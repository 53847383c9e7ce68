package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/sync/definition"
)

func newSyncList(p *Process) *cobra.Command {
	return lists(p, &cobra.Command{
		Use: "list", Short: "List the syncs",
		Long: "List the syncs. Credentials of their definitions are not shown.",
		Example: `  $ headgate sync list
  $ headgate sync list --json --url https://gate.example.com`,
		Args: noOperands,
	}, func(ctx context.Context, d deployment.Deployment, _ []string) ([]definition.Sync, error) {
		return d.Syncs(ctx)
	}, []string{"id", "organisation", "type", "data source", "frequency"}, func(s definition.Sync) []any {
		return []any{s.ID, s.OrgID, s.Type, s.Datasource.Type, s.Frequency}
	})
}

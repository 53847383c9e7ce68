package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
)

func newSyncList(p *Process) *cobra.Command {
	return lists(p, &cobra.Command{
		Use: "list", Short: "List the syncs",
		Long: `List the syncs. Credentials of their definitions are not shown. The owner is "config" if the
configuration declares the sync, and "dropped" if it did once and does so no longer: such a
sync goes on as it was, until it is deleted or declared again.`,
		Example: `  $ headgate sync list
  $ headgate sync list --json --url https://gate.example.com`,
		Args: noOperands,
	}, func(ctx context.Context, d deployment.Deployment, _ []string) ([]deployment.Listed, error) {
		return d.Syncs(ctx)
	}, []string{"id", "organisation", "type", "data source", "frequency", "owner"}, func(s deployment.Listed) []any {
		return []any{s.ID, s.OrgID, s.Type, s.Datasource.Type, s.Frequency, s.Owner}
	})
}

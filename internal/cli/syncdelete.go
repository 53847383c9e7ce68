package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
)

func newSyncDelete(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete the definition of a sync",
		Long: `Delete the definition of a sync and what the sync remembers of its pulls and pushes.
Records stay. A sync whose run is under way is not deleted.`,
		Example: "  $ headgate sync delete readings-2026",
		Args:    operand("ID"),
	}
	where := whereOf(p, cmd)
	where.completesIDs(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := newProgress(p.Stderr, false, p.Getenv)
		return where.with(cmd.Context(), changes, out.say, func(d deployment.Deployment) error {
			if err := d.Delete(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(p.Stdout, "%s deleted\n", args[0])
			return err
		})
	}
	return cmd
}

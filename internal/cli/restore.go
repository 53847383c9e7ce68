package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/platform/launch"
)

func newRestore(p *Process) *cobra.Command {
	s := p.settings
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Replace the embedded store by a backup", GroupID: groupStore,
		Long: `Check a backup and put it in the place of the embedded store. Stop the server first:
restore refuses while another process has the store open. The former store is kept
beside the new one.`,
		Example: `  $ headgate restore headgate-monday.db
  $ headgate restore headgate-monday.db --data /var/lib/headgate`,
		Args: operands("a FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kept, err := launch.Restore(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(p.Stdout, "The store in %s is now that of %s.\n", s.Data, args[0])
			if kept != "" {
				fmt.Fprintf(p.Stdout, "The former one is kept as %s.\n", kept)
			}
			return nil
		},
	}
	s.DataFlag(cmd.Flags())
	return cmd
}

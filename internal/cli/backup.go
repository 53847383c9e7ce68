package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/platform/launch"
)

func newBackup(p *Process) *cobra.Command {
	s := p.settings
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Copy the embedded store to a file", GroupID: groupStore,
		Long: `Copy the embedded store to a new file, also while a server writes to it. The copy is
complete and checked, and readable by its owner only: it holds every credential of the
store. An existing file is never overwritten.`,
		Example: `  $ headgate backup headgate-monday.db
  $ headgate backup headgate-monday.db --data /var/lib/headgate`,
		Args: operands("a FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := launch.Backup(cmd.Context(), s, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(p.Stdout, "The store in %s is backed up to %s. The copy holds every credential: keep it safe.\n", s.Data, args[0])
			return nil
		},
	}
	s.DataFlag(cmd.Flags())
	return cmd
}

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/platform/launch"
)

func newRestore(p *Process) *cobra.Command {
	return embedded(p, &cobra.Command{
		Use: "restore FILE", Short: "Replace the embedded store by a backup", GroupID: groupStore,
		Long: `Check a backup and put it in the place of the embedded store. Stop the server first:
restore refuses while another process has the store open. The former store is kept
beside the new one.

Run it on the machine of the server. For a store in Firestore there is
"gcloud firestore import".`,
		Example: `  $ headgate restore headgate-monday.db
  $ headgate restore headgate-monday.db --data /var/lib/headgate`,
		Args: operand("FILE"),
	}, "gcloud firestore import", func(cmd *cobra.Command, s launch.Settings, file string) error {
		out := newBar(p.Stderr, p.Getenv)
		kept, err := launch.Restore(cmd.Context(), s, file, out.copies("restore"))
		out.done()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Stdout, "The store in %s is now that of %s.\n", s.Data, file)
		if kept != "" && err == nil {
			_, err = fmt.Fprintf(p.Stdout, "The former one is kept as %s.\n", kept)
		}
		return err
	})
}

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/platform/launch"
)

func newBackup(p *Process) *cobra.Command {
	return embedded(p, &cobra.Command{
		Use: "backup FILE", Short: "Copy the embedded store to a file", GroupID: groupStore,
		Long: `Copy the embedded store to a new file, also while a server writes to it. The copy is
complete and checked, and readable by its owner only: it holds every credential of the
store. An existing file is never overwritten.

Run it on the machine of the server. For a store in Firestore there is
"gcloud firestore export".`,
		Example: `  $ headgate backup headgate-monday.db
  $ headgate backup headgate-monday.db --data /var/lib/headgate`,
		Args: operand("FILE"),
	}, "gcloud firestore export", func(cmd *cobra.Command, s launch.Settings, file string) error {
		out := newBar(p.Stderr, p.Getenv)
		err := launch.Backup(cmd.Context(), s, file, out.copies("back up"))
		out.done()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Stdout, "The store in %s is backed up to %s. The copy holds every credential: keep it safe.\n", s.Data, file)
		return err
	})
}

package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/platform/printable"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

func newSyncRelink(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "relink ID", Short: "Link the records of a sync to its rows anew",
		Long: `Link the records of a sync to its rows anew, after its key was changed or its id was used
for another source. All rows are read: a row is the one of a record if the columns of the
old key have the old key's values.

Without --yes the command only shows what would become of the records and the rows, and
stores nothing.`,
		Example: `  $ headgate sync relink readings-2026
  $ headgate sync relink readings-2026 --yes
  $ headgate sync relink wells --yes --url https://gate.example.com`,
		Args: operand("ID"),
	}
	where := whereOf(p, cmd)
	asJSON := jsonFlag(cmd)
	dryRun := cmd.Flags().Bool("dry-run", false, "only show what would change, which is the default")
	yes := cmd.Flags().Bool("yes", false, "store the new links")
	where.completesIDs(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *dryRun && *yes {
			return wrongUsage("--dry-run and --yes exclude each other")
		}
		out := newProgress(p.Stderr, *asJSON, p.Getenv)
		return where.with(cmd.Context(), changes, out.say, func(d deployment.Deployment) error {
			done, err := d.Relink(cmd.Context(), args[0], *yes)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(p.Stdout, done)
			}
			return printRelinking(p.Stdout, done)
		})
	}
	return cmd
}

// printRelinking prints what was done to the records of each datatype, or would be.
func printRelinking(w io.Writer, done *syncrun.Relinking) error {
	for _, datatype := range slices.Sorted(maps.Keys(done.Datatypes)) {
		t := done.Datatypes[datatype]
		fmt.Fprintf(w, "%s: %s, by the key %s instead of %s\n", printable.Text(datatype, ""), count(t.Rows, "row"), columns(t.To), columns(t.From))
		fmt.Fprintf(w, "  %s with a row\n", count(t.Linked, "record"))
		if t.Without > 0 {
			fmt.Fprintf(w, "  %s without a record: the next pull makes one of each%s\n", count(t.Without, "row"), examples(t.WithoutExamples))
		}
		if t.Unlinked > 0 {
			fmt.Fprintf(w, "  %s without a row: a push makes a row of each%s\n", count(t.Unlinked, "record"), examples(t.UnlinkedExamples))
		}
		if t.Rejected > 0 {
			fmt.Fprintf(w, "  %s that the next pull will reject\n", count(t.Rejected, "row"))
		}
	}
	last := "the records are linked anew"
	if !done.Stored {
		last = "nothing is stored yet: --yes links the records anew"
	}
	_, err := fmt.Fprintln(w, last)
	return err
}

// columns returns the columns of a key.
func columns(names []string) string { return printable.Text(strings.Join(names, ", "), "") }

// shownExamples is the most examples in a line.
const shownExamples = 3

func examples(all []string) string {
	if len(all) == 0 {
		return ""
	}
	shown := make([]string, min(len(all), shownExamples))
	for i := range shown {
		shown[i] = fmt.Sprintf("%q", all[i])
	}
	return ", such as of " + strings.Join(shown, ", ")
}

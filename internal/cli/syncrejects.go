package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
)

func newSyncRejects(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rejects ID", Short: "List the rows that a sync rejected",
		Long:    "List the rows that a sync rejected, with the field and the reason. --json also shows each row.",
		Example: "  $ headgate sync rejects readings-2026",
		Args:    operands("an ID"),
	}
	where := whereOf(p, cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := newProgress(p.Stderr, *asJSON)
		return where.with(cmd.Context(), opensStore, out.say, func(d deployment.Deployment) error {
			rejects, err := d.Rejects(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(p.Stdout, rejects)
			}
			t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "phase\ttype\tline\tkey\tfield\treason\ttimes")
			for _, r := range rejects {
				fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%d\n", r.Phase, r.Datatype, r.Line, r.Key, r.Field, r.Reason, r.Count)
			}
			return t.Flush()
		})
	}
	return cmd
}

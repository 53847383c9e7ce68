package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
)

func newSyncList(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the syncs",
		Long: "List the syncs. Credentials of their definitions are not shown.",
		Example: `  $ headgate sync list
  $ headgate sync list --json --url https://gate.example.com`,
		Args: operands(),
	}
	where := whereOf(p, cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out := newProgress(p.Stderr, *asJSON)
		return where.with(cmd.Context(), opensStore, out.say, func(d deployment.Deployment) error {
			list, err := d.Syncs(cmd.Context())
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(p.Stdout, list)
			}
			t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "id\torganisation\ttype\tdata source\tfrequency")
			for _, s := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.OrgID, s.Type, s.Datasource.Type, s.Frequency)
			}
			return t.Flush()
		})
	}
	return cmd
}

package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
)

func newSyncRuns(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "runs ID", Short: "List the latest runs of a sync",
		Long:    "List the latest runs of a sync, the newest first.",
		Example: "  $ headgate sync runs readings-2026",
		Args:    operands("an ID"),
	}
	where := whereOf(p, cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out := newProgress(p.Stderr, *asJSON)
		return where.with(cmd.Context(), opensStore, out.say, func(d deployment.Deployment) error {
			runs, err := d.Runs(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if *asJSON {
				for i, run := range runs {
					runs[i] = run.Shown()
				}
				return printJSON(p.Stdout, runs)
			}
			t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "run\tstarted\tmethod\tstate\tread\tcreated\tupdated\tdeleted\trejected\terror")
			for _, r := range runs {
				c := r.Counts
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", r.ID, r.StartedAt.Format(time.RFC3339), r.Method, r.State,
					c.Read, c.Created, c.Updated, c.Deleted, c.Rejected, strings.Join(r.Errors, "; "))
			}
			return t.Flush()
		})
	}
	return cmd
}

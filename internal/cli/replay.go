package cli

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/printable"
)

func newReplay(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "replay EVENTID", Short: "Publish a message again, with the same ids",
		Long: `Publish a message again, with the same ids, so that consumers recognise it. "headgate messages"
lists the EVENTIDs.`,
		Example: `  $ headgate replay 9b1e0c52a7d3f48e60b1c2d3e4f5a697
  $ headgate replay 9b1e0c52a7d3f48e60b1c2d3e4f5a697 --target workflow`,
		Args: operand("EVENTID"),
	}
	g := gatewayOf(p, cmd, functions.Trigger)
	cmd.Flags().String("target", "", "send it to this target, by its `NAME`, and to no other")
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(g, "/messages", func(a *messagesAnswer) (ids []string) {
			now := time.Now()
			for _, m := range a.Messages {
				ids = append(ids, m.EventID+"\t"+m.State+" "+when(now, m.Date))
			}
			return ids
		})
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if args[0] == "" {
			return wrongUsage("EVENTID is empty")
		}
		if err := g.pick(map[string]string{"target": "target"}); err != nil {
			return err
		}
		return g.call(http.MethodPost, "/messages/"+gate.PathSegment(args[0])+"/replay", tableOf(func(w io.Writer, a *struct{ EventID string }) error {
			_, err := fmt.Fprintf(w, "message %s: published again\n", printable.Text(a.EventID, ""))
			return err
		}))
	}
	return cmd
}

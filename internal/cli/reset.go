package cli

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
)

func newReset(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "reset", Short: "Take the events of the window, or of one endpoint, out of it",
		Long: "Take the events of the window, or of one endpoint, out of it. They are in no message then.",
		Example: `  $ headgate reset --endpoint entry1
  $ headgate reset --key order-4711 --url https://gate.example.com`,
		Args: noOperands,
	}
	g := gatewayOf(p, cmd, functions.Trigger)
	g.keyFlag("take out events of this correlation `KEY` only")
	g.endpointFlag("take out events of this `ENDPOINT` only")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := g.pick(map[string]string{"key": "key", "endpoint": "eventKey"}); err != nil {
			return err
		}
		return g.call(http.MethodPost, "/reset", tableOf(func(w io.Writer, a *struct{ Reset int }) error {
			_, err := fmt.Fprintln(w, count(a.Reset, "event")+" taken out")
			return err
		}))
	}
	return cmd
}

package cli

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/platform/printable"
)

type triggerAnswer struct {
	Triggered           *string
	NumberOfEvents      int
	Published, Repeated bool
}

func newTrigger(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "trigger", Short: "Publish the events in the window now, complete or not",
		Long: "Publish the events in the window now, complete or not.",
		Example: `  $ headgate trigger
  $ headgate trigger --key order-4711 --url https://gate.example.com`,
		Args: noOperands,
	}
	g := gatewayOf(p, cmd, functions.Trigger)
	g.keyFlag("publish the window of this correlation `KEY`")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := g.pick(map[string]string{"key": "key"}); err != nil {
			return err
		}
		return g.call(http.MethodPost, "/trigger", tableOf(printTrigger))
	}
	return cmd
}

func printTrigger(w io.Writer, a *triggerAnswer) error {
	if a.Triggered == nil {
		_, err := fmt.Fprintln(w, "the window is empty: nothing to publish")
		return err
	}
	what := published(a.Published)
	if a.Repeated {
		what = "has the same events already, " + what
	}
	_, err := fmt.Fprintf(w, "message %s: %s, %s\n", printable.Text(*a.Triggered, ""), what, count(a.NumberOfEvents, "event"))
	return err
}

// published says whether the bus has a message.
func published(done bool) string {
	if done {
		return "published"
	}
	return "not published yet, the server tries again"
}

package cli

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
)

// windowAnswer holds what tables show of a window.
type windowAnswer struct {
	CorrelationKey, State string
	Opened, Closes        *time.Time
	Endpoints, Missing    []shortfall
}

type windowsAnswer struct {
	Windows []windowAnswer
	Next    *string
}

func newWindows(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "windows", Short: "List the windows that have events, the oldest first",
		Long: `List the windows that have events, the oldest first: when each closes, and what it lacks.
Only a service with correlation, deadlines or a condition has such windows.`,
		Example: `  $ headgate windows
  $ headgate windows --state closing --url https://gate.example.com`,
		Args: noOperands,
	}
	g := gatewayOf(p, cmd, functions.Status)
	g.keyFlag("list the window of this correlation `KEY` only")
	cmd.Flags().String("state", "", "list windows in this `STATE` only: open or closing")
	cmd.Flags().Int("limit", 0, "list at most this many `WINDOWS` (default 50)")
	completes(cmd, "state", "open", "closing")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := g.pick(map[string]string{"key": "key", "state": "state", "limit": "limit"}); err != nil {
			return err
		}
		return g.call(http.MethodGet, "/windows", tableOf(func(w io.Writer, a *windowsAnswer) error {
			return p.printWindows(w, a)
		}))
	}
	return cmd
}

func (p *Process) printWindows(w io.Writer, a *windowsAnswer) error {
	if len(a.Windows) == 0 {
		fmt.Fprintln(p.Stderr, "no windows")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(a.Windows))
	for i, one := range a.Windows {
		missing := inWords(one.Missing)
		if missing == "" {
			missing = "nothing"
		}
		rows[i] = []string{one.CorrelationKey, one.State, when(now, one.Opened), when(now, one.Closes), inWords(one.Endpoints), missing}
	}
	if err := printTable(w, []string{"key", "state", "opened", "closes", "events", "missing"}, rows); err != nil {
		return err
	}
	p.more(a.Next)
	return nil
}

// more says that a list goes on.
func (p *Process) more(next *string) {
	if next != nil {
		fmt.Fprintln(p.Stderr, "there may be more: raise --limit")
	}
}

package cli

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/gate"
)

type auditAnswer struct {
	Entries []struct {
		Who, Action, Object, Outcome, Error string
		Time                                *time.Time
		Detail                              map[string]string
	}
	Next *string
}

func newAudit(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "List who did what, the newest first",
		Long: "List what people did by hand and what changed something, the newest first: who triggered, reset,\nreplayed, edited, defined.",
		Example: `  $ headgate audit --limit 10
  $ headgate audit --action replay --since 2026-11-27T00:00:00Z
  $ headgate audit --who kate@example.com --object /sync/readings --url https://gate.example.com`,
		Args: noOperands,
	}
	g := gatewayOf(p, cmd, functions.Status)
	cmd.Flags().String("who", "", "list acts of this `CALLER` only: an e-mail address, a token's name, or local")
	cmd.Flags().String("action", "", "list this `ACTION` only, such as replay or updateSync")
	cmd.Flags().String("object", "", "list acts on this `PATH`, or below it, only")
	cmd.Flags().String("since", "", "list acts that began at this `TIME` or later only")
	cmd.Flags().String("until", "", "list acts that began before this `TIME` only")
	cmd.Flags().String("after", "", "list what follows this `CURSOR`, the next of a page before")
	cmd.Flags().Int("limit", 0, "list at most this many `ACTS` (default 50)")
	cmd.Flags().Lookup("service").Usage = "list acts on the service of this `NAME` only"
	cmd.RunE = func(*cobra.Command, []string) error {
		err := g.pick(map[string]string{
			"who": "who", "action": "action", "object": "object", "since": "since", "until": "until", "after": "after", "limit": "limit",
		})
		if err != nil {
			return err
		}
		if g.service != "" { // the acts of all services are one list
			if cmd.Flags().Changed("object") {
				return wrongUsage("--service and --object exclude each other: each names what was acted on")
			}
			g.query.Set("object", "/services/"+gate.PathSegment(g.service))
			g.service = ""
		}
		return g.call(http.MethodGet, "/audit", tableOf(func(w io.Writer, a *auditAnswer) error { return p.printAudit(w, a) }))
	}
	return cmd
}

func (p *Process) printAudit(w io.Writer, a *auditAnswer) error {
	if len(a.Entries) == 0 && a.Next == nil {
		fmt.Fprintln(p.Stderr, "no acts")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(a.Entries))
	for i, e := range a.Entries {
		var detail []string
		for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
			detail = append(detail, name+"="+e.Detail[name])
		}
		rows[i] = []string{when(now, e.Time), e.Who, e.Action, e.Object, e.Outcome, strings.Join(detail, " "), e.Error}
	}
	if err := printTable(w, []string{"when", "who", "action", "object", "outcome", "detail", "error"}, rows); err != nil {
		return err
	}
	p.more(a.Next)
	return nil
}

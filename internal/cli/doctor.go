package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/platform/printable"
	"github.com/headgate/headgate/internal/platform/shell"
)

func newDoctor(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Examine a deployment, and say how to correct what is wrong",
		Long: `Examine a deployment: the store and its speed, the clock, topics, permissions, Firestore's TTL
policies and exemptions, sweeps, secrets, the sources of syncs, webhooks, messages that are
stuck, and what of the configuration is unused. Each finding is one sentence, with the command
that corrects it. No secret is shown, and nothing is changed.

What cannot be checked from here is "not checked". With --url the deployment examines itself,
with the permissions of its own account; that needs the role operate. Otherwise the
permissions are yours.

The exit status is 1 if there are errors. Warnings do not count.`,
		Example: `  $ headgate doctor
  $ headgate doctor --url https://gate.example.com
  $ headgate doctor --config gate.json --store firestore --bus pubsub --database headgate
  $ headgate doctor --json | jq '.findings[] | select(.state == "error")'`,
		Args: noOperands, GroupID: groupTools,
	}
	asJSON := jsonFlag(cmd)
	w := whereOf(p, cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		say := func(format string, args ...any) { fmt.Fprintf(p.Stderr, format+"\n", args...) }
		report, err := w.examine(cmd.Context(), say)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(p.Stdout, report)
		} else {
			err = printReport(p.Stdout, report)
		}
		if err == nil && report.State == doctor.Error {
			err = errUnwell
		}
		return err
	}
	return cmd
}

// examine returns the report of the deployment itself, or of what this process finds.
func (w *where) examine(ctx context.Context, say notice) (doctor.Report, error) {
	var report doctor.Report
	c, err := w.server(ctx, functions.Status, say)
	if err != nil {
		return report, err
	}
	if c != nil {
		defer c.Close()
		err := c.Do(ctx, http.MethodGet, "/doctor", nil, &report)
		if err == nil && (reportWords[report.State] == "" || len(report.Findings) == 0) { // {} of another server is no good news
			err = errors.New("the answer is no examination: is the address that of a Headgate?")
		}
		if address, unknown := w.address(); err == nil && unknown == nil {
			withAddress(&report, address)
		}
		return report, err
	}
	s := w.settings
	s.Examines = true
	a, closeApp, err := w.p.openApp(ctx, s)
	if err != nil {
		return s.Refusal(err), nil
	}
	defer closeApp()
	return a.Examine(ctx)
}

// withAddress puts the address that was given into commands that could only name its variable:
// a deployment does not know its own address, and the variable may not be set.
func withAddress(r *doctor.Report, address string) {
	if address == "" {
		return
	}
	here := shell.InQuotes(strings.TrimRight(address, "/"))
	known := strings.NewReplacer(doctor.Address, here, "$"+envURL, here) // the latter is what earlier releases answer
	for i := range r.Findings {
		r.Findings[i].Fix = known.Replace(r.Findings[i].Fix)
	}
}

// reportWords are the states as a person reads them.
var reportWords = map[doctor.State]string{doctor.OK: "ok", doctor.Warning: "warning", doctor.Error: "ERROR", doctor.NotChecked: "-"}

// printReport prints a line for each finding, and under it the command that corrects it.
func printReport(w io.Writer, r doctor.Report) error {
	var out strings.Builder
	counts := make(map[doctor.State]int)
	for _, f := range r.Findings {
		counts[f.State]++
		fmt.Fprintf(&out, "%-8s %s  (%s)\n", reportWords[f.State], printable.Text(f.Text, ""), printable.Text(f.Code, ""))
		if f.Fix != "" && f.State != doctor.OK {
			fmt.Fprintf(&out, "         $ %s\n", printable.Text(f.Fix, ""))
		}
	}
	fmt.Fprintf(&out, "\n%s, %s, %d not checked, %d ok\n", count(counts[doctor.Error], "error"), count(counts[doctor.Warning], "warning"), counts[doctor.NotChecked], counts[doctor.OK])
	_, err := io.WriteString(w, out.String())
	return err
}

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/printable"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// summarize prints what a run did as a table. rejects is the command that lists what it
// rejected.
func summarize(w io.Writer, run *syncrun.Run, rejects string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "phase\ttype\tread\tcreated\tupdated\tdeleted\tunchanged\trejected\tconflicts\t")
	for _, s := range run.Results {
		c := s.Counts
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			printable.Text(string(s.Phase), ""), printable.Text(s.Datatype, ""), c.Read, c.Created, c.Updated, c.Deleted, c.Unchanged, c.Rejected, c.Conflicts)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range run.Plan {
		fmt.Fprintf(w, "  would %s\n", printable.Text(planLine(c), ""))
	}
	for _, s := range run.Results {
		if s.Message != "" {
			fmt.Fprintln(w, printable.Text(s.Message, "\n"))
		}
	}
	for _, m := range run.Warnings {
		fmt.Fprintln(w, "warning:", printable.Text(m, "\n"))
	}
	if run.Counts.Rejected > 0 {
		fmt.Fprintf(w, "%d rejected: %s\n", run.Counts.Rejected, printable.Text(rejects, ""))
	}
	_, err := fmt.Fprintf(w, "%s %s in %s\n", printable.Text(run.ID, ""), printable.Text(string(run.State), ""), run.UpdatedAt.Sub(run.StartedAt).Round(time.Millisecond))
	return err
}

// planLine says what a run would do with one record.
func planLine(c syncrun.PlannedChange) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", c.Action, c.Datatype, c.ID)
	if c.Line > 0 {
		fmt.Fprintf(&b, " (line %d)", c.Line)
	}
	for _, f := range c.Fields {
		fmt.Fprintf(&b, " %s", f.Field)
		if f.Old != nil || f.New != nil {
			fmt.Fprintf(&b, ": %s → %s", short(f.Old), short(f.New))
		}
	}
	if c.Reason != "" {
		fmt.Fprintf(&b, ": %s", c.Reason)
	}
	return b.String()
}

// short returns the value as JSON, cut after 57 bytes if it is long, but not inside a
// character.
func short(v any) string {
	if v == nil {
		return "nothing"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > 60 {
		n := 57
		for !utf8.RuneStart(b[n]) {
			n--
		}
		return string(b[:n]) + "…"
	}
	return string(b)
}

package cli

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/platform/printable"
)

// statusAnswer holds what the table shows of the status.
type statusAnswer struct {
	ServiceName string
	Complete    bool
	Endpoints   []endpointAnswer
	Feeds       []struct {
		Name   string
		Counts countsAnswer
	}
	Missing []shortfall
	Window  *struct{ Opened, Closes *time.Time }
	Outbox  struct {
		Backlog int
		Oldest  *time.Time
		Warning string
	}
	LastMessage *messageAnswer
	Alerts      []struct {
		Kind, CorrelationKey string
		At                   *time.Time
		Missing              []shortfall
		Waiting              bool
	}
	Warnings []string
}

// state says in a few words what the window waits for. Of a service with keys nothing is
// missing as a whole: each key has a window of its own.
func (s *statusAnswer) state() string {
	waits := func(e endpointAnswer) bool { return e.Have > 0 }
	switch {
	case s.Complete:
		return "complete"
	case len(s.Missing) > 0:
		return "waits for " + inWords(s.Missing)
	case slices.ContainsFunc(s.Endpoints, waits):
		return "events wait, each key in a window of its own"
	}
	return "nothing waits"
}

// reason returns why messages wait, as far as the last one tells it.
func (s *statusAnswer) reason() string {
	if s.LastMessage == nil || s.LastMessage.failure() == "" {
		return ""
	}
	return ": " + printable.Text(s.LastMessage.failure(), "") + "\nheadgate doctor says what to do about it"
}

// endpointAnswer is an endpoint in the status.
type endpointAnswer struct {
	shortfall
	FirstEvent, LastEvent, OldestLeavesAt *time.Time
	Expired                               int
	Counts                                countsAnswer
}

// countsAnswer counts events that are in no window.
type countsAnswer struct {
	Duplicate, Filtered, Superseded, Dropped, DeadLettered, Refused int
}

// countColumns are the names of the cells.
var countColumns = []string{"duplicate", "filtered", "superseded", "dropped", "dead letters", "refused"}

// cells returns the counts, each "" where it is 0.
func (c countsAnswer) cells() (cells []string) {
	for _, n := range []int{c.Duplicate, c.Filtered, c.Superseded, c.Dropped, c.DeadLettered, c.Refused} {
		cell := ""
		if n > 0 {
			cell = strconv.Itoa(n)
		}
		cells = append(cells, cell)
	}
	return cells
}

func newStatus(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Show what a gate has and what it waits for",
		Long: `Show what a gate has and what it waits for, endpoint by endpoint, and the messages that are
not published yet.`,
		Example: `  $ headgate status
  $ headgate status --key order-4711 --url https://gate.example.com`,
		Args: noOperands,
	}
	g := gatewayOf(p, cmd, functions.Status)
	g.keyFlag("show the window of this correlation `KEY`")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := g.pick(map[string]string{"key": "key"}); err != nil {
			return err
		}
		return g.call(http.MethodGet, "/status", tableOf(printStatus))
	}
	return cmd
}

func printStatus(w io.Writer, s *statusAnswer) error {
	now := time.Now()
	fmt.Fprintf(w, "%s: %s\n\n", printable.Text(s.ServiceName, ""), printable.Text(s.state(), ""))
	var rows [][]string
	for _, e := range s.Endpoints {
		expired := ""
		if e.Expired > 0 {
			expired = strconv.Itoa(e.Expired)
		}
		row := []string{e.EventKey, e.of(), when(now, e.FirstEvent), when(now, e.LastEvent), when(now, e.OldestLeavesAt), expired}
		rows = append(rows, append(row, e.Counts.cells()...))
	}
	for _, f := range s.Feeds {
		if f.Counts != (countsAnswer{}) {
			rows = append(rows, append([]string{"/feed/" + f.Name, "", "", "", "", ""}, f.Counts.cells()...))
		}
	}
	if err := printTable(w, append([]string{"endpoint", "events", "first", "last", "oldest leaves", "expired"}, countColumns...), rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if o := s.Window; o != nil {
		fmt.Fprintf(w, "the window opened %s and closes %s\n", when(now, o.Opened), when(now, o.Closes))
	}
	if m := s.LastMessage; m != nil {
		fmt.Fprintf(w, "last message %s, %s, %s\n", printable.Text(m.EventID, ""), printable.Text(m.State, ""), when(now, m.Date))
	} else {
		fmt.Fprintln(w, "no message yet")
	}
	if s.Outbox.Backlog > 0 {
		fmt.Fprintf(w, "%s not published yet, the oldest %s%s\n", count(s.Outbox.Backlog, "message"), when(now, s.Outbox.Oldest), s.reason())
	}
	for _, a := range s.Alerts {
		line := "alert: " + a.Kind
		if a.CorrelationKey != "" {
			line += " of key " + a.CorrelationKey
		}
		if len(a.Missing) > 0 {
			line += ", missing " + inWords(a.Missing)
		}
		if a.Waiting {
			line += ", not delivered yet"
		}
		fmt.Fprintf(w, "%s, %s\n", printable.Text(line, ""), when(now, a.At))
	}
	if s.Outbox.Warning != "" {
		s.Warnings = append(s.Warnings, s.Outbox.Warning)
	}
	for _, warning := range s.Warnings {
		fmt.Fprintln(w, "warning:", printable.Text(warning, ""))
	}
	return nil
}

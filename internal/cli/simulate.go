package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/platform/printable"
	"github.com/headgate/headgate/internal/simulation"
)

// simulator has the flags of the command.
type simulator struct {
	*gateway
	config, events, expect, against, cases string
	since, until                           string
}

func newSimulate(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "simulate", Short: "Show what a configuration makes of events, in virtual time",
		Long: `Show what a configuration makes of events: each message, each window that closes without one,
the events that no message has, and the alerts, at their virtual time. It writes and sends nothing.

--events are JSON Lines, as GET /events writes them, or short ones of a person's own:

  {"at": "2026-05-01T12:00:01Z", "eventKey": "order", "body": {"orderId": 17}}

beside at, and eventKey or feed, they may have body or text, id (what the result calls the event),
idempotencyKey, headers, query and attributes. Without --events, the events are those of the
deployment at --url, or of the server that has the store in --data open, from --since on.

--expect compares the result with the lines of a file, of which only the fields given there
count. --against recorded compares it with the messages of the deployment. --cases plays each
folder in a folder that has the files events.jsonl and expected.jsonl, with the config.json in
it or in the nearest folder above. A difference makes the exit status 1.`,
		Example: `  $ headgate simulate --config new.json --events events.jsonl
  $ headgate simulate --config new.json --events events.jsonl -o json > expected.jsonl
  $ headgate simulate --config new.json --url https://gate.example.com --since 2026-05-01T00:00:00Z --against recorded
  $ headgate simulate --cases examples/gate`,
		Args: noOperands,
	}
	long := cmd.Long
	s := &simulator{gateway: gatewayOf(p, cmd, functions.Status)}
	cmd.Long = long
	fs := cmd.Flags()
	fs.StringVar(&s.config, "config", "", "simulate the configuration in this `FILE`")
	if err := fs.SetAnnotation("config", ofCommand, []string{}); err != nil {
		panic(err) // the command has no such flag
	}
	fs.StringVar(&s.events, "events", "", "play the events in this `FILE`; - is standard input")
	fs.StringVar(&s.since, "since", "", "play the deployment's events from this `TIME` on")
	fs.StringVar(&s.until, "until", "", "end at this `TIME` (default when no window is open any more)")
	fs.StringVar(&s.expect, "expect", "", "compare the result with the lines of this `FILE`")
	fs.StringVar(&s.against, "against", "", "compare the result with what the deployment did: `recorded`")
	fs.StringVar(&s.cases, "cases", "", "play the cases in this `FOLDER`")
	fs.Lookup("output").Usage = "print in this `FORM`: table, or json for a line of JSON each"
	fs.Lookup("service").Usage = "simulate the service of this `NAME` (default the first)"
	completes(cmd, "against", "recorded")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.checkFlags(); err != nil {
			return err
		}
		if s.cases != "" {
			return s.runCases(cmd.Context())
		}
		return s.run(cmd.Context())
	}
	return cmd
}

// checkFlags returns an error for flags that do not go together.
func (s *simulator) checkFlags() error {
	if err := s.check(); err != nil {
		return err
	}
	given := func(name string) bool { return s.cmd.Flags().Changed(name) }
	for _, name := range []string{"config", "events", "since", "until", "expect", "against", "cases"} {
		if f := s.cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return wrongUsage("--%s is empty", name)
		}
	}
	if given("cases") {
		for _, name := range []string{"events", "since", "until", "expect", "against", "output", "url", "data"} {
			if given(name) {
				return wrongUsage("--cases does not go with --%s", name)
			}
		}
		return nil
	}
	switch {
	case !given("config"):
		return wrongUsage("--config or --cases is required")
	case given("events") && given("since"):
		return wrongUsage("--events and --since exclude each other: --since is for the events of a deployment")
	case !given("events") && !given("since"):
		return wrongUsage("--events or --since is required")
	case given("against") && s.against != "recorded":
		return wrongUsage("--against must be recorded, not %q", s.against)
	case given("against") && given("expect"):
		return wrongUsage("--against and --expect exclude each other")
	}
	return nil
}

func readConfig(file string) (*config.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not valid:\n%w", file, err)
	}
	return cfg, nil
}

// instant returns the time that a flag gives.
func instant(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, wrongUsage("--%s must be a time such as 2026-05-01T12:00:00Z, not %q", flag, text)
	}
	return at, nil
}

func (s *simulator) run(ctx context.Context) error {
	cfg, err := readConfig(s.config)
	if err != nil {
		return err
	}
	svc, err := simulation.ServiceOf(cfg, s.service)
	if err != nil {
		return err
	}
	until, err := instant("until", s.until)
	if err != nil {
		return err
	}
	if s.against != "" && until.IsZero() {
		until = time.Now() // what the deployment has done until now
	}
	events, closeEvents, err := s.open(ctx, until)
	if err != nil {
		return err
	}
	defer closeEvents()
	var lines []*simulation.Line
	keep := func(l *simulation.Line) error { lines = append(lines, l); return nil }
	out := newBar(s.p.Stderr, s.p.Getenv)
	defer out.done()
	emit, flush := keep, func() error { return nil }
	if s.expect == "" && s.against == "" {
		emit, flush = s.printer(svc, out.done)
	}
	sum, err := simulation.Run(ctx, svc, played(events, out), simulation.Options{Until: until}, emit)
	out.done()
	if err := errors.Join(flush(), err); err != nil {
		return err
	}
	s.sumUp(sum)
	switch {
	case s.expect != "":
		return s.compareExpected(lines)
	case s.against != "":
		return s.compareRecorded(ctx, lines, sum, until)
	}
	return nil
}

// open returns the events.
func (s *simulator) open(ctx context.Context, until time.Time) (io.Reader, func(), error) {
	switch {
	case s.events == "-" && s.p.Stdin == nil:
		return strings.NewReader(""), func() {}, nil
	case s.events == "-":
		return s.p.Stdin, func() {}, nil
	case s.events != "":
		f, err := os.Open(s.events)
		if err != nil {
			return nil, nil, err
		}
		return f, func() { _ = f.Close() }, nil
	}
	since, err := instant("since", s.since)
	if err != nil {
		return nil, nil, err
	}
	return s.recorded(ctx, since, until)
}

// printer returns a function that prints a line, and one that prints what is left. A table
// is printed a page at a time, so that its length needs no memory. clearBar is called before
// anything is printed.
func (s *simulator) printer(svc config.Service, clearBar func()) (emit func(*simulation.Line) error, flush func() error) {
	if s.output == "json" {
		return func(l *simulation.Line) error {
			text, err := json.Marshal(l)
			if err == nil {
				clearBar()
				_, err = fmt.Fprintln(s.p.Stdout, printable.JSON(string(text)))
			}
			return err
		}, func() error { return nil }
	}
	var endpoints []string
	for _, e := range svc.Endpoints {
		endpoints = append(endpoints, e.EventKey)
	}
	const page = 500
	var rows [][]string
	flush = func() error {
		if len(rows) == 0 {
			return nil
		}
		clearBar()
		err := printTable(s.p.Stdout, []string{"at", "what", "key", "events", "missing", "event id"}, rows)
		rows = rows[:0]
		return err
	}
	return func(l *simulation.Line) error {
		var missing []shortfall
		for _, m := range l.Lacking() {
			missing = append(missing, shortfall(m))
		}
		rows = append(rows, []string{l.At.Format(time.RFC3339Nano), what(l), l.Key, l.Shown(endpoints), inWords(missing), l.EventID})
		if len(rows) < page {
			return nil
		}
		return flush()
	}, flush
}

// what says in a word what a line tells.
func what(l *simulation.Line) string {
	word := string(l.Kind)
	switch l.Kind {
	case simulation.Message:
		if l.Completion != "" {
			word = string(l.Completion)
		}
	case simulation.DeadLetter:
		word = "dead letter"
	case simulation.Alert:
		word = "alert: " + l.AlertKind()
	}
	if l.Reason != "" {
		word += ": " + l.Reason
	}
	return word
}

// sumUp says what became of the events.
func (s *simulator) sumUp(sum simulation.Summary) {
	words := []string{count(sum.Events, "event")}
	for _, one := range []struct {
		n    int
		what string
	}{
		{sum.Duplicates, "duplicate"}, {sum.Filtered, "filtered"}, {sum.Dropped, "dropped by the rules"}, {sum.Superseded, "superseded"},
		{sum.Refused, "refused"}, {sum.Waiting, "still waiting"},
	} {
		if one.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	fmt.Fprintln(s.p.Stderr, strings.Join(words, ", "))
}

func (s *simulator) compareExpected(lines []*simulation.Line) error {
	f, err := os.Open(s.expect)
	if err != nil {
		return err
	}
	defer f.Close()
	expected, err := simulation.ReadExpected(f)
	if err != nil {
		return fmt.Errorf("%s: %w", s.expect, err)
	}
	difference, err := simulation.Compare(expected, lines)
	if err != nil {
		return err
	}
	return s.differs(difference, s.expect)
}

// differs prints the difference. The error says that there is one.
func (s *simulator) differs(difference []string, from string) error {
	if len(difference) == 0 {
		_, err := fmt.Fprintln(s.p.Stdout, "ok: as in "+from)
		return err
	}
	for _, line := range difference {
		fmt.Fprintln(s.p.Stdout, printable.Text(line, ""))
	}
	return fmt.Errorf("%s: - is in %s only, + in the simulation only", count(len(difference), "difference"), from)
}

// runCases plays each case, and says of each whether it is as expected.
func (s *simulator) runCases(ctx context.Context) error {
	var fallback *config.Config
	if s.config != "" {
		cfg, err := readConfig(s.config)
		if err != nil {
			return err
		}
		fallback = cfg
	}
	cases, err := simulation.Cases(os.DirFS(s.cases))
	if err != nil {
		return err
	}
	if len(cases) == 0 {
		return fmt.Errorf("no folder in %s has a file events.jsonl", s.cases)
	}
	failed := 0
	for _, c := range cases {
		difference, err := c.Run(ctx, fallback, s.service)
		if err == nil && len(difference) == 0 {
			fmt.Fprintln(s.p.Stdout, "ok    "+printable.Text(c.Name, ""))
			continue
		}
		failed++
		fmt.Fprintln(s.p.Stdout, "FAIL  "+printable.Text(c.Name, ""))
		if err != nil {
			difference = slices.Collect(strings.SplitSeq(err.Error(), "\n"))
		}
		for _, line := range difference {
			fmt.Fprintln(s.p.Stdout, "      "+printable.Text(line, ""))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed", failed, count(len(cases), "case"))
	}
	return nil
}

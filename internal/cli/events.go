package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/printable"
)

func newEvents(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "events", Short: "Print the stored events, one line of JSON each",
		Long: `Print the stored events in the order of their receipt, one line of JSON each: all that the
rules of a gate look at. Events are stored until they expire, whether they still wait or not.

A TIME is like 2026-11-27T06:00:00Z, or a duration before now, like 36h.`,
		Example: `  $ headgate events > events.jsonl
  $ headgate events --since 2h --endpoint entry1 -o table
  $ headgate events --since 2026-11-27T06:00:00Z --url https://gate.example.com`,
		Args: noOperands,
	}
	g := readerOf(p, cmd)
	cmd.Flags().StringVarP(&g.output, "output", "o", "json", "print in this `FORM`: json, or table")
	completes(cmd, "output", "json", "table")
	since := cmd.Flags().String("since", "", "print events received at this `TIME` or later")
	until := cmd.Flags().String("until", "", "print events received before this `TIME`")
	g.endpointFlag("print events of this `ENDPOINT` only")
	g.keyFlag("print events of this correlation `KEY` only")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := g.pick(map[string]string{"key": "key", "endpoint": "eventKey", "since": "since", "until": "until"}); err != nil {
			return err
		}
		if err := g.check(); err != nil {
			return err
		}
		var q gate.RecordQuery
		var err error
		if q.Received.From, err = timeOf(*since, "since", time.Now()); err != nil {
			return err
		}
		if q.Received.To, err = timeOf(*until, "until", time.Now()); err != nil {
			return err
		}
		out := bufio.NewWriter(p.Stdout)
		show := printLine(out)
		if g.output == "table" {
			show = printEvent(out)
		}
		say := func(format string, args ...any) { fmt.Fprintf(p.Stderr, format+"\n", args...) }
		err = g.eachEvent(cmd.Context(), q, say, show)
		if flushErr := out.Flush(); err == nil {
			err = flushErr
		}
		return err
	}
	return cmd
}

// timeOf reads a time, or a duration before now. "" is the zero time.
func timeOf(text, flag string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, wrongUsage("--%s must be a time like 2026-11-27T06:00:00Z, or a duration before now like 36h, not %q", flag, text)
}

// eachEvent calls show with each event: of the server, or of the store itself.
func (g *gateway) eachEvent(ctx context.Context, q gate.RecordQuery, say notice, show func([]byte, *event.Record) error) error {
	c, err := g.server(ctx, g.function, say)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Close()
		for name, at := range map[string]time.Time{"since": q.Received.From, "until": q.Received.To} {
			if !at.IsZero() {
				g.query.Set(name, at.UTC().Format(time.RFC3339Nano))
			}
		}
		query := g.query
		g.query = nil
		return c.Records(ctx, g.path("/events"), query, show)
	}
	s := g.settings
	if !s.StoreExists() {
		say("there is no store in %s", s.Data)
		return nil
	}
	s.Reads = true
	a, closeApp, err := g.p.openApp(ctx, s)
	if err != nil {
		return err
	}
	defer closeApp()
	of, err := a.Gate(g.service)
	if err != nil {
		return deployment.Plain(err)
	}
	q.EventKey = g.query.Get("eventKey")
	if g.query.Has("key") {
		key := g.query.Get("key")
		q.Key = &key
	}
	_, err = of.Records(ctx, q, func(records []event.Record) error {
		for i := range records {
			line, err := json.Marshal(&records[i])
			if err == nil {
				err = show(line, &records[i])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return deployment.Plain(err)
}

func printLine(w io.Writer) func([]byte, *event.Record) error {
	return func(line []byte, _ *event.Record) error {
		_, err := fmt.Fprintln(w, printable.JSON(string(line)))
		return err
	}
}

// printEvent prints an event as a line of a table. The columns have fixed widths: the list
// is printed while it is read.
func printEvent(w io.Writer) func([]byte, *event.Record) error {
	const form, widest = "%-27s  %-32s  %-20s  %-20s  %s\n", 60
	headed := false
	return func(_ []byte, r *event.Record) error {
		if !headed {
			headed = true
			fmt.Fprintf(w, form, "received", "id", "endpoint", "key", "content")
		}
		content := []rune(printable.Text(strings.TrimSpace(r.Content), ""))
		if len(content) > widest {
			content = append(content[:widest-1], '…')
		}
		key := r.CorrelationKey
		if key == "" {
			key = "-"
		}
		received := r.ReceivedAt.UTC().Format("2006-01-02T15:04:05.000000Z")
		line := fmt.Sprintf(form, received, printable.Text(r.ID, ""), printable.Text(r.EventKey, ""), printable.Text(key, ""), string(content))
		_, err := fmt.Fprintln(w, strings.TrimRight(line, " \n"))
		return err
	}
}

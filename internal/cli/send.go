package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/platform/printable"
)

type sendAnswer struct {
	ID, EventKey, Dropped           string
	DeadLetter                      string
	Duplicate, Filtered, Superseded bool
	Triggered                       *string
	Published                       bool
}

func newSend(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "send ENDPOINT", Short: "Send an event to a gate",
		Long: `Send an event to a gate by POST. Without --body, the event is standard input. With --feed,
ENDPOINT is a feed, whose routes choose the endpoint.

Two events with the same --name count once: give one to an event that you may send again.`,
		Example: `  $ headgate send entry1 -d hello
  $ headgate send payment -d @payment.json -H 'Content-Type: application/json' --name payment-4711
  $ headgate send files --feed -d '{"name":"orders/1.csv"}' -H 'Content-Type: application/json'`,
		Args: operand("ENDPOINT"),
	}
	g := gatewayOf(p, cmd, functions.Ingest)
	body := cmd.Flags().StringP("body", "d", "", "send this `TEXT`, or the file after an @ (default standard input)")
	headers := cmd.Flags().StringArrayP("header", "H", nil, "send this `HEADER`, as 'Name: value'; may be repeated")
	feed := cmd.Flags().Bool("feed", false, "send it to the feed of that name")
	cmd.Flags().String("name", "", "name the event by this `IDEMPOTENCY-KEY`")
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if *feed {
			return offer(g, "/status", feedNames)
		}
		return g.endpoints()
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		to, kind := "/event/", "an endpoint"
		if *feed {
			to, kind = "/feed/", "a feed"
		}
		if name := strings.TrimSuffix(args[0], "/"); path.Clean(to+name) != to+name { // the server would redirect it to another path
			return wrongUsage("%q is not the name of %s", args[0], kind)
		}
		header, err := headersOf(*headers)
		if err != nil {
			return err
		}
		if name := cmd.Flags().Lookup("name"); name.Changed {
			if value := name.Value.String(); value == "" || !headerValue.MatchString(value) {
				return wrongUsage("--name must be a line of text")
			} else {
				header.Set("Idempotency-Key", value)
			}
		}
		if err := g.check(); err != nil {
			return err
		}
		content, err := p.content(cmd.Context(), *body, cmd.Flags().Changed("body"))
		if err != nil {
			return err
		}
		return g.send(http.MethodPost, to+escapeKey(args[0]), header, content, tableOf(printReceipt))
	}
	return cmd
}

func feedNames(s *statusAnswer) (names []string) {
	for _, f := range s.Feeds {
		names = append(names, f.Name)
	}
	return names
}

// content returns what the event holds.
func (p *Process) content(ctx context.Context, body string, given bool) ([]byte, error) {
	file, named := strings.CutPrefix(body, "@")
	switch {
	case given && named:
		return readWhole(ctx, func() (io.ReadCloser, error) { return os.Open(file) })
	case given:
		return []byte(body), nil
	case p.Stdin == nil:
		return nil, nil
	}
	return readWhole(ctx, func() (io.ReadCloser, error) { return io.NopCloser(p.Stdin), nil })
}

// largestEvent is the most that maxEventBytes may be.
const largestEvent = 8 << 20

// readWhole reads an event to its end, or until ctx ends: a terminal and a pipe may have no
// end, and neither opening nor reading them can be interrupted.
func readWhole(ctx context.Context, open func() (io.ReadCloser, error)) (content []byte, err error) {
	type read struct {
		content []byte
		err     error
	}
	done := make(chan read, 1)
	go func() {
		in, err := open()
		if err != nil {
			done <- read{nil, err}
			return
		}
		defer in.Close()
		content, err := io.ReadAll(io.LimitReader(in, largestEvent+1))
		if err == nil && len(content) > largestEvent {
			err = fmt.Errorf("the event is too large: no gate takes more than %d bytes", largestEvent)
		}
		done <- read{content, err}
	}()
	select {
	case r := <-done:
		return r.content, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var (
	headerName  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	headerValue = regexp.MustCompile(`^[^\x00-\x08\x0a-\x1f\x7f]*$`)
)

// ofTransport are the headers that the connection sets: others would have no effect.
var ofTransport = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer"}

// headersOf reads headers of the form "Name: value".
func headersOf(lines []string) (http.Header, error) {
	header := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !headerName.MatchString(name) || !headerValue.MatchString(value) {
			return nil, wrongUsage("--header must be like 'Name: value', not %q", name) // the value may be a secret
		}
		if slices.Contains(ofTransport, http.CanonicalHeaderKey(name)) {
			return nil, wrongUsage("--header cannot set %s", name)
		}
		header.Add(name, value)
	}
	return header, nil
}

func printReceipt(w io.Writer, a *sendAnswer) error {
	var what string
	switch {
	case a.Filtered:
		what = "not stored: the filter of " + a.EventKey + " is false for it"
	case a.Dropped == "noKey":
		what = "not stored: it has no correlation key"
	case a.Dropped == "late":
		what = "not stored: its window has closed"
	case a.Dropped == "noRoute":
		what = "not stored: no route of the feed takes it"
	case a.Dropped != "":
		what = "not stored: " + a.Dropped
	case a.Duplicate:
		what = "event " + a.ID + ": stored before, counts once"
	case a.DeadLetter != "":
		what = "event " + a.ID + ": stored, goes to the dead letters because of " + a.DeadLetter
	case a.Superseded:
		what = "event " + a.ID + ": stored, another event counts in its place"
	default:
		what = "event " + a.ID + ": stored"
	}
	if _, err := fmt.Fprintln(w, printable.Text(what, "")); err != nil || a.Triggered == nil {
		return err
	}
	_, err := fmt.Fprintf(w, "message %s: %s\n", printable.Text(*a.Triggered, ""), published(a.Published))
	return err
}

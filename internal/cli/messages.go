package cli

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
)

// messageAnswer holds what tables show of a message.
type messageAnswer struct {
	EventID, State, LastError  string
	CorrelationKey, Completion string
	Date                       *time.Time
	NumberOfEvents             int
	Missing                    []shortfall
	Targets                    []struct{ Name, State, LastError string }
}

// failure returns why the message waits, where its targets do not say it.
func (m *messageAnswer) failure() string {
	if len(m.Targets) > 0 {
		return ""
	}
	return m.LastError
}

// targets says what became of the message at each of several targets, with the reason of
// those that do not have it.
func (m *messageAnswer) targets() string {
	words := make([]string, len(m.Targets))
	for i, t := range m.Targets {
		words[i] = t.Name + " " + t.State
		if t.LastError != "" && t.State != "delivered" {
			words[i] += " (" + t.LastError + ")"
		}
	}
	return strings.Join(words, ", ")
}

type messagesAnswer struct {
	Messages []messageAnswer
	Next     *string
}

func newMessages(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "messages", Short: "List the messages of a gate, the newest first",
		Long: "List the messages of a gate, the newest first.",
		Example: `  $ headgate messages --limit 10
  $ headgate messages --target workflow --target-state failed
  $ headgate messages --state claimed --url https://gate.example.com`,
		Args: noOperands,
	}
	g := gatewayOf(p, cmd, functions.Status)
	g.keyFlag("list messages of this correlation `KEY` only")
	cmd.Flags().String("completion", "", "list messages of this `COMPLETION` only: complete, partial, manual, dropped or deadLetter")
	cmd.Flags().String("state", "", "list messages in this `STATE` only: claimed, published, dropped or failed")
	cmd.Flags().String("target", "", "list messages for this target, by its `NAME`, only")
	cmd.Flags().String("target-state", "", "list messages in this `STATE` at the target, or else at any target, only: pending, delivered or failed")
	cmd.Flags().Int("limit", 0, "list at most this many `MESSAGES` (default 50)")
	completes(cmd, "state", "claimed", "published", "dropped", "failed")
	completes(cmd, "target-state", "pending", "delivered", "failed")
	completes(cmd, "completion", "complete", "partial", "manual", "dropped", "deadLetter")
	cmd.RunE = func(*cobra.Command, []string) error {
		err := g.pick(map[string]string{
			"key": "key", "state": "state", "completion": "completion", "target": "target", "target-state": "targetState", "limit": "limit",
		})
		if err != nil {
			return err
		}
		return g.call(http.MethodGet, "/messages", tableOf(func(w io.Writer, a *messagesAnswer) error {
			return p.printMessages(w, a)
		}))
	}
	return cmd
}

func (p *Process) printMessages(w io.Writer, a *messagesAnswer) error {
	if len(a.Messages) == 0 {
		if a.Next != nil { // the server looked at the latest ones only
			fmt.Fprintln(p.Stderr, "no such message among the latest ones")
			return nil
		}
		fmt.Fprintln(p.Stderr, "no messages")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(a.Messages))
	for i, m := range a.Messages {
		rows[i] = []string{
			m.EventID, m.State, when(now, m.Date), strconv.Itoa(m.NumberOfEvents),
			m.CorrelationKey, m.Completion, inWords(m.Missing), m.targets(), m.failure(),
		}
	}
	columns := []string{"event id", "state", "claimed", "events", "key", "completion", "missing", "targets", "error"}
	if err := printTable(w, columns, rows); err != nil {
		return err
	}
	p.more(a.Next)
	return nil
}

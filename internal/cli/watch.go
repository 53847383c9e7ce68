package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/cli/deployment"
)

const (
	// watchPage is the number of messages and of windows that a look asks for. On Firestore
	// each of them is a read that is billed.
	watchPage = 20
	// maxWatchPages bounds the messages that one look shows.
	maxWatchPages = 50
	// watchMemory is the number of messages that are known, so that none is shown twice.
	watchMemory = 10_000
	leastPause  = 50 * time.Millisecond
)

func newWatch(p *Process) *cobra.Command {
	cmd := &cobra.Command{
		Use: "watch", Short: "Follow the messages and the windows of a gate, and the runs of syncs",
		Long: `Follow the messages and the windows of a gate, and the runs of syncs, until you press
Ctrl-C: on a terminal as a view of the windows and runs with the news above, elsewhere as
a line for each change. A server that restarts is found again.

The live channel tells when to look. Where the server does not serve it, the gate is
looked at again and again, and runs are not shown. With --key, runs are not shown either.`,
		Example: `  $ headgate watch
  $ headgate watch --key order-4711 --url https://gate.example.com
  $ headgate watch -o json | jq .message.eventID`,
		Args: noOperands,
	}
	g := gatewayOf(p, cmd, functions.Status)
	cmd.Flags().Lookup("output").Usage = "print in this `FORM`: table, or json for a line of JSON for each change"
	g.keyFlag("follow this correlation `KEY` only")
	every := cmd.Flags().Duration("every", 2*time.Second, "look at the gate once in this `TIME` while there is no live channel")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := g.pick(map[string]string{"key": "key"}); err != nil {
			return err
		}
		if err := g.check(); err != nil {
			return err
		}
		if *every < leastPause {
			return wrongUsage("--every must be at least %s", leastPause)
		}
		w := &watcher{g: g, known: map[string]string{}, windows: map[string]string{}, runs: map[string]watchedRun{}, view: newWatchView(p.Stdout, g.output, p.Getenv)}
		return w.follow(cmd.Context(), *every)
	}
	return cmd
}

// watcher looks at a gate again and again, and shows what changed.
type watcher struct {
	g       *gateway
	view    watchView
	began   bool                  // a look has succeeded
	away    bool                  // the last look failed
	one     bool                  // the service has one window, which /status shows
	known   map[string]string     // messages as they were shown, by claim
	order   []string              // the keys of known, the oldest first
	windows map[string]string     // windows as they were shown
	runs    map[string]watchedRun // the latest run of each sync that ran since, by its id
	told    bool                  // it was told that there is no live channel
}

// follow ends with nil when ctx ends. The first look must succeed, so that a wrong address
// is told; later, a server may be away for as long as it takes.
func (w *watcher) follow(ctx context.Context, every time.Duration) error {
	live := newSignals()
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() { live.listen(ctx, w.g.open) })
	defer listening.Wait()
	defer cancel()
	for {
		syncs, missed, pause, reason := live.take(every)
		if w.g.query.Has("key") {
			syncs, missed = nil, false
		}
		err := w.look(ctx, syncs, missed)
		if err != nil {
			live.again(syncs, missed)
		}
		switch {
		case ctx.Err() != nil:
			return w.view.end()
		case err != nil && (!w.began || errors.Is(err, errOutput)):
			return err
		case err != nil && !w.away:
			w.away = true
			w.view.notice(w.g.p.Stderr, fmt.Sprintf("%s; trying again until it answers", err))
		}
		w.began = w.began || err == nil
		if w.began && reason != "" && !w.told {
			w.told = true
			w.view.notice(w.g.p.Stderr, fmt.Sprintf("no live channel, so a look every %s, and no runs of syncs: %s", every, reason))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-live.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// errOutput means that standard output takes nothing any more.
var errOutput = errors.New("standard output is closed")

// look opens a client of its own: a server that restarts may have another address.
func (w *watcher) look(ctx context.Context, syncs []string, missed bool) error {
	c, err := w.g.open()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := w.lookAtMessages(ctx, c); err != nil {
		return err
	}
	if err := w.lookAtRuns(ctx, c, syncs, missed); err != nil {
		return err
	}
	if !w.one {
		err := w.lookAtWindows(ctx, c)
		if err == nil || w.began {
			return w.shown(err)
		}
	}
	// The first look finds out which of both the service has.
	err = w.lookAtStatus(ctx, c)
	w.one = err == nil
	return w.shown(err)
}

// shown ends a look. What it shows comes after the notice that the server answers again.
func (w *watcher) shown(err error) error {
	if err != nil {
		return err
	}
	if w.away {
		w.away = false
		w.view.notice(w.g.p.Stderr, "the server answers again")
	}
	return w.view.flush()
}

// get reads a list of the service.
func (w *watcher) get(ctx context.Context, c *deployment.Client, path string, more url.Values, out any) error {
	g := *w.g
	g.query = url.Values{}
	for _, from := range []url.Values{w.g.query, more} {
		for name, values := range from {
			g.query[name] = values
		}
	}
	return c.Do(ctx, http.MethodGet, g.path(path), nil, out)
}

// lookAtMessages shows the messages that are new or changed, the oldest first. The first
// look only learns which messages there are.
func (w *watcher) lookAtMessages(ctx context.Context, c *deployment.Client) error {
	query := url.Values{"limit": {fmt.Sprint(watchPage)}}
	var fresh []json.RawMessage
	for range maxWatchPages {
		var page struct {
			Messages []json.RawMessage
			Next     *string
		}
		if err := w.get(ctx, c, "/messages", query, &page); err != nil {
			return err
		}
		old := false
		for _, raw := range page.Messages {
			var id struct{ ClaimID string }
			if err := json.Unmarshal(raw, &id); err != nil {
				return fmt.Errorf("the server does not answer like Headgate: %w", err)
			}
			was, known := w.known[id.ClaimID]
			old = old || known
			if was == string(raw) {
				continue
			}
			w.remember(id.ClaimID, string(raw), known)
			fresh = append(fresh, raw)
		}
		if old || page.Next == nil || !w.began {
			break
		}
		query.Set("after", *page.Next)
	}
	if !w.began {
		return nil
	}
	for _, raw := range slices.Backward(fresh) {
		var m messageAnswer
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("the server does not answer like Headgate: %w", err)
		}
		w.view.message(raw, &m)
	}
	return nil
}

func (w *watcher) remember(id, raw string, known bool) {
	w.known[id] = raw
	if known {
		return
	}
	if w.order = append(w.order, id); len(w.order) > watchMemory {
		delete(w.known, w.order[0])
		w.order = w.order[1:]
	}
}

// lookAtWindows shows the windows, and which of them changed.
func (w *watcher) lookAtWindows(ctx context.Context, c *deployment.Client) error {
	var page struct {
		Windows []json.RawMessage
		Next    *string
	}
	if err := w.get(ctx, c, "/windows", url.Values{"limit": {fmt.Sprint(watchPage)}}, &page); err != nil {
		return err
	}
	now := make(map[string]string, len(page.Windows))
	list := make([]watchedWindow, len(page.Windows))
	for i, raw := range page.Windows {
		if err := json.Unmarshal(raw, &list[i].windowAnswer); err != nil {
			return fmt.Errorf("the server does not answer like Headgate: %w", err)
		}
		id := list[i].CorrelationKey
		if list[i].Opened != nil {
			id += "\x00" + list[i].Opened.String()
		}
		list[i].raw, list[i].changed = raw, w.windows[id] != string(raw)
		now[id] = string(raw)
	}
	w.windows = now
	w.view.windows(list, page.Next != nil)
	return nil
}

// lookAtStatus shows what the only window of the service has.
func (w *watcher) lookAtStatus(ctx context.Context, c *deployment.Client) error {
	var raw json.RawMessage
	if err := w.get(ctx, c, "/status", nil, &raw); err != nil {
		return err
	}
	var s statusAnswer
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("the server does not answer like Headgate: %w", err)
	}
	b, err := json.Marshal(s.Endpoints)
	if err != nil {
		return err
	}
	changed := w.windows[""] != string(b)
	w.windows = map[string]string{"": string(b)}
	w.view.status(raw, &s, changed)
	return nil
}

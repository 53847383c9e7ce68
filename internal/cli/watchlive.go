package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/platform/printable"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

const (
	// livePath streams that a gate or a sync changed. It has no data: what changed is read
	// with the caller's rights.
	livePath = "/live?entity=headgate%2Fgates&id=*&entity=headgate%2Fsyncs&id=*"
	// liveLook is the pause between looks while the live channel tells of changes. Time alone
	// changes a window too, and no signal says so.
	liveLook = 30 * time.Second
	// reconnect is the pause before the live channel is opened again.
	reconnect = 2 * time.Second
)

// signals has what the live channel told and the watcher has not looked at yet.
type signals struct {
	wake chan struct{}

	mu     sync.Mutex
	open   bool
	opened bool            // since take was called
	syncs  map[string]bool // the ids of syncs that changed
	reason string          // why the channel cannot be opened, until it is told
}

func newSignals() *signals { return &signals{wake: make(chan struct{}, 1), syncs: map[string]bool{}} }

// listen follows the live channel until ctx ends, and opens it again when it breaks.
func (s *signals) listen(ctx context.Context, open func() (*deployment.Client, error)) {
	for ctx.Err() == nil {
		c, err := open()
		if err == nil {
			err = c.Stream(ctx, livePath, s.frame)
			c.Close()
		}
		s.closed(err)
		timer := time.NewTimer(reconnect)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// frame takes a frame of the live channel.
func (s *signals) frame(data []byte) {
	var f struct{ Type, Entity, ID string }
	if json.Unmarshal(data, &f) != nil {
		return
	}
	s.mu.Lock()
	switch {
	case f.Type == "subscribed":
		s.opened = s.opened || !s.open
		s.open, s.reason = true, ""
	case f.Type == "entity" && f.Entity == "headgate/syncs" && f.ID != "all":
		s.syncs[f.ID] = true
	case f.Type != "entity":
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.wakeUp()
}

func (s *signals) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // the watcher looks anyway
	}
}

// again notes what a look that failed was for.
func (s *signals) again(syncs []string, missed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range syncs {
		s.syncs[id] = true
	}
	s.opened = s.opened || missed
}

// closed notes that the channel is not open. Why is worth a notice only if a try again does
// not help: the server does not serve it, or not to this caller.
func (s *signals) closed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open { // the watcher notices at once that the server is away
		s.open = false
		s.wakeUp()
	}
	if refused, ok := errors.AsType[*deployment.RefusedError](err); ok {
		s.reason = refused.Error()
	}
}

// take returns the syncs to look at, whether the channel was opened since, so that signals
// may have been missed, and how long to wait for the next signal.
func (s *signals) take(every time.Duration) (syncs []string, opened bool, pause time.Duration, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	syncs, opened, pause, reason = slices.Sorted(maps.Keys(s.syncs)), s.opened, every, s.reason
	clear(s.syncs)
	s.opened = false
	if s.open {
		pause = max(every, liveLook)
	}
	return syncs, opened, pause, reason
}

// watchedRun is the latest run of a sync, as it was shown.
type watchedRun struct {
	raw   string
	state syncrun.State
	shown time.Time
	ended bool
}

// lookAtRuns shows the latest runs of the syncs that changed, and of those that were under
// way when signals may have been missed.
func (w *watcher) lookAtRuns(ctx context.Context, c *deployment.Client, ids []string, missed bool) error {
	if missed {
		for id, run := range w.runs {
			if !run.ended && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	for _, id := range ids {
		var page struct{ Runs []json.RawMessage }
		if err := c.Do(ctx, http.MethodGet, "/sync/"+url.PathEscape(id)+"/runs?limit=1", nil, &page); err != nil {
			// The sync may be deleted. If the server is away, it is read when the channel opens again.
			w.runs[id] = watchedRun{raw: w.runs[id].raw, state: w.runs[id].state, shown: w.runs[id].shown}
			continue
		}
		if len(page.Runs) == 0 || w.runs[id].raw == string(page.Runs[0]) {
			continue
		}
		var run syncrun.Run
		if err := json.Unmarshal(page.Runs[0], &run); err != nil {
			return fmt.Errorf("the server does not answer like Headgate: %w", err)
		}
		was := w.runs[id]
		now := watchedRun{string(page.Runs[0]), run.State, time.Now(), run.State.Ended()}
		// Rows arrive faster than anybody reads: a run that goes on has a line every two seconds.
		news := was.state != run.State || now.shown.Sub(was.shown) >= lineEvery
		if !news {
			now.shown = was.shown
		}
		w.runs[id] = now
		w.view.run(page.Runs[0], &run, news)
	}
	return nil
}

// syncLine says how a run gets on: "sync wells  pull running  1200 rows  3 rejected".
func syncLine(run *syncrun.Run) string {
	line := fmt.Sprintf("%s  sync %s  %s %s  %s", stamp(run.UpdatedAt), run.SyncID, run.Method, run.State, count(int(run.Counts.Read), "row"))
	if step := current(run); step != nil && step.Progress.Total > 0 {
		line += fmt.Sprintf("  %s %.0f %%", step.Datatype, 100*min(1, float64(step.Progress.Done)/float64(step.Progress.Total)))
	}
	if run.Counts.Rejected > 0 {
		line += fmt.Sprintf("  %d rejected", run.Counts.Rejected)
	}
	if len(run.Errors) > 0 {
		line += "  error: " + run.Errors[0]
	}
	return printable.Text(line, "")
}

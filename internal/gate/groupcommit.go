package gate

import (
	"context"
	"runtime"
	"sync"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/store"
)

// groupCommit lets requests that arrive together share a commit, and then the
// check that follows it.
//
// There is no worker: the request that finds nobody leading does, takes all that
// wait, and goes on until nothing does. While one commit is under way the next
// collects; more commits at once would only make them smaller, and to wait for
// more requests only made every one of them slower.
type groupCommit struct {
	run func(units []*unit) // commits, then answers each unit in its own time

	mu      sync.Mutex
	waiting []*unit
	leading bool
	present int // units in do: waiting, being committed, being checked
}

// maxGroup is how many events share a commit at most, so that it stays short.
const maxGroup = 256

// fewUnits are not worth two commits.
const fewUnits = 16

// unit is one request's events.
type unit struct {
	appends []store.Append
	results []store.AppendResult
	verdict verdict
	done    chan struct{}
	held    *budget.Hold // the memory of the events, until they are answered
}

func newGroupCommit(run func([]*unit)) *groupCommit { return &groupCommit{run: run} }

// do returns when u is answered or ctx ends. Its events may be stored even then.
func (c *groupCommit) do(ctx context.Context, u *unit) error {
	u.done = make(chan struct{})
	c.mu.Lock()
	c.waiting = append(c.waiting, u)
	c.present++
	lead := !c.leading
	c.leading = true
	c.mu.Unlock()
	if lead {
		go c.lead()
	}
	defer func() {
		c.mu.Lock()
		c.present--
		c.mu.Unlock()
	}()
	select {
	case <-u.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *groupCommit) lead() {
	for {
		c.gather()
		units := c.take()
		if units == nil {
			return
		}
		c.run(units)
	}
}

// gather lets requests that are about to arrive do so: as long as giving way to
// what is ready to run brings more of them, and never for a timer's sake.
func (c *groupCommit) gather() {
	for before := -1; ; {
		c.mu.Lock()
		n := len(c.waiting)
		c.mu.Unlock()
		if n == before || n >= maxGroup {
			return
		}
		before = n
		runtime.Gosched()
	}
}

// take removes up to maxGroup events' units; nil ends the leader. When many are
// present it leaves half of them for the next commit: sources that wait for an
// answer before they send again would otherwise all move in step, and either the
// store or the processor would stand idle.
func (c *groupCommit) take() []*unit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.leading = false
		return nil
	}
	n, events := 0, 0
	for n < min(len(c.waiting), max(fewUnits, (c.present+1)/2)) && (n == 0 || events+len(c.waiting[n].appends) <= maxGroup) {
		events += len(c.waiting[n].appends)
		n++
	}
	units := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	if len(c.waiting) == 0 {
		c.waiting = nil
	}
	return units
}

// coalescer runs a check so that each caller gets one that began after it
// called: one runs, at most one waits, and the one that waits serves all that
// came meanwhile.
type coalescer struct {
	mu      sync.Mutex
	running bool
	next    *checkRun
}

type checkRun struct {
	verdict verdict
	done    chan struct{}
}

// do returns a run that began after the call. The caller waits for its done.
func (c *coalescer) do(check func() verdict) *checkRun {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = &checkRun{done: make(chan struct{})}
	}
	r := c.next
	if !c.running {
		c.running = true
		go c.loop(check)
	}
	return r
}

func (c *coalescer) loop(check func() verdict) {
	for {
		c.mu.Lock()
		r := c.next
		if r == nil {
			c.running = false
			c.mu.Unlock()
			return
		}
		c.next = nil
		c.mu.Unlock()
		r.verdict = check()
		close(r.done)
	}
}

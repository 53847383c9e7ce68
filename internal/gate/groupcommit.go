package gate

import (
	"context"
	"runtime"
	"sync"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
)

// groupCommit lets requests that arrive together share one commit, and the check that
// follows it (docs/decisions/015).
//
// An idle groupCommit has no goroutine. A request that finds no leader starts one. The
// leader commits all waiting units, then those that arrived meanwhile, and ends when none
// wait. One commit runs at a time: parallel commits would only be smaller. The leader sets
// no timer to collect more requests: in measurements that only made each request slower.
type groupCommit struct {
	run   func(units []*unit) // commits the units, and answers each, perhaps after it returns
	alone bool                // see Options.Alone

	mu      sync.Mutex
	waiting []*unit
	leading bool
	present int // units in do: waiting, being committed or being checked
}

// maxGroup bounds the events of one commit, so that each commit stays short.
const maxGroup = 256

// fewUnits is the number of units up to which a group is not split in two.
const fewUnits = 16

// unit is one request's events.
type unit struct {
	appends  []store.Append
	index    []int // the place of each append among the request's events
	receipts []Receipt
	named    bool // every event has an idempotency key, so a retry stores none of them twice
	results  []store.AppendResult
	verdict  checkResult
	done     chan struct{}
	held     *budget.Hold // the memory reserved for the events, until they are answered
	span     trace.Span   // of the request
}

func newGroupCommit(run func([]*unit)) *groupCommit { return &groupCommit{run: run} }

// do queues u and returns when it is answered or ctx ends. If ctx ends first, the unit
// stays queued and its events are probably stored all the same.
func (c *groupCommit) do(ctx context.Context, u *unit) error {
	u.done = make(chan struct{})
	if c.alone {
		c.run([]*unit{u})
		return nil
	}
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

// lead commits group after group until no unit waits.
func (c *groupCommit) lead() {
	for {
		c.yield()
		units := c.take()
		if units == nil {
			return
		}
		c.run(units)
	}
}

// yield lets other goroutines run as long as that brings more units. Requests that are ready
// to run then join this commit instead of the next one. It never waits for a timer.
func (c *groupCommit) yield() {
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

// take removes and returns units with at most maxGroup events, or one larger unit. If none
// wait it returns nil, and the leader must end.
//
// When many units are present it leaves half of them for the next commit. Sources often
// wait for an answer before they send their next event. Taken all at once, they would all
// move in step: the store would idle while they prepare requests, and the processor while
// the store writes.
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

// coalescer shares checks between callers. Each caller gets a check that began after its
// call, so the check sees the events that the caller stored before. One check runs at a
// time, and at most one is queued: it serves every call that arrived meanwhile.
type coalescer struct {
	mu      sync.Mutex
	running bool
	next    *checkRun
	idle    func() // called when no check runs and none is queued; may be nil
}

type checkRun struct {
	verdict checkResult
	done    chan struct{}
	// read has the windows that the run's only caller has read; nil: the run reads them.
	read    []foundWindow
	callers callers
}

// do returns a run that begins after this call. The caller waits for its done channel.
func (c *coalescer) do(by callers, check func(by callers) checkResult) *checkRun {
	return c.doFrom(by, func(by callers, _ []foundWindow) checkResult { return check(by) }, nil)
}

// doFrom is do for a check that may begin with what the caller has read. It gets that only if
// no other caller shares the run.
func (c *coalescer) doFrom(by callers, check func(by callers, read []foundWindow) checkResult, read []foundWindow) *checkRun {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = &checkRun{done: make(chan struct{}), read: read}
	} else {
		c.next.read = nil // another caller's events may have come after it was read
	}
	r := c.next
	r.callers.join(by)
	if !c.running {
		c.running = true
		go c.loop(check)
	}
	return r
}

func (c *coalescer) loop(check func(callers, []foundWindow) checkResult) {
	for {
		c.mu.Lock()
		r := c.next
		if r == nil {
			c.running = false
			c.mu.Unlock()
			if c.idle != nil {
				c.idle()
			}
			return
		}
		c.next = nil // from here on nobody joins r
		c.mu.Unlock()
		r.verdict = check(r.callers, r.read)
		close(r.done)
	}
}

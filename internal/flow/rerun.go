package flow

import (
	"context"
	"sync"
)

// reruns runs work by key, and never two runs of one key at a time. A request during a run
// causes one more run after it, because the run may have read its input before the change
// that caused the request. Several such requests cause only one more run.
type reruns[K comparable] struct {
	mu      sync.Mutex
	runs    map[K]bool // has the keys that run; true: the key runs once more
	stopped context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

func newReruns[K comparable]() *reruns[K] {
	r := &reruns[K]{runs: make(map[K]bool)}
	r.stopped, r.stop = context.WithCancel(context.Background())
	return r
}

// do runs the work in the caller's goroutine. If a run is under way, do tells it to run
// once more, and returns. The work gets a context that close cancels.
func (r *reruns[K]) do(k K, work func(ctx context.Context)) {
	if r.begin(k) {
		r.run(k, work)
	}
}

// spawn is do in another goroutine. It never blocks.
func (r *reruns[K]) spawn(k K, work func(ctx context.Context)) {
	if r.begin(k) {
		go r.run(k, work)
	}
}

// begin reports whether the caller must call run. It counts the run in the same critical
// section in which close stops runs, so that close waits for it.
func (r *reruns[K]) begin(k K) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped.Err() != nil {
		return false
	}
	if _, runs := r.runs[k]; runs {
		r.runs[k] = true
		return false
	}
	r.runs[k] = false
	r.running.Add(1)
	return true
}

func (r *reruns[K]) run(k K, work func(ctx context.Context)) {
	defer r.running.Done()
	for again := true; again; again = r.again(k) {
		work(r.stopped)
	}
}

// again reports whether another run was requested since the run began. If not, it forgets
// the key, so that the next request begins a run.
func (r *reruns[K]) again(k K) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs[k] && r.stopped.Err() == nil {
		r.runs[k] = false
		return true
	}
	delete(r.runs, k)
	return false
}

// close cancels the context of the work, lets no other run begin, and waits for the runs.
func (r *reruns[K]) close() {
	r.mu.Lock()
	r.stop()
	r.mu.Unlock()
	r.running.Wait()
}

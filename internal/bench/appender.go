package main

import (
	"os"
	"sync"
)

// appender appends to one file and syncs it. Callers that come while a sync is under way share
// the next one. It is the least that a durable store has to do.
type appender struct {
	f *os.File

	mu      sync.Mutex
	next    *appending // nil: nobody waits
	writing bool
}

// appending holds the bytes of several callers, who wait for the same sync.
type appending struct {
	bytes []byte
	done  chan struct{}
	err   error
}

func newAppender(f *os.File) *appender { return &appender{f: f} }

// do returns once the bytes are durable.
func (a *appender) do(bytes []byte) error {
	a.mu.Lock()
	if a.next == nil {
		a.next = &appending{done: make(chan struct{})}
	}
	mine := a.next
	mine.bytes = append(mine.bytes, bytes...)
	if !a.writing {
		a.writing = true
		go a.write()
	}
	a.mu.Unlock()
	<-mine.done
	return mine.err
}

func (a *appender) write() {
	for {
		a.mu.Lock()
		now := a.next
		a.next, a.writing = nil, now != nil
		a.mu.Unlock()
		if now == nil {
			return
		}
		now.err = writeSynced(a.f, now.bytes)
		close(now.done)
	}
}

func writeSynced(f *os.File, bytes []byte) error {
	if _, err := f.Write(bytes); err != nil {
		return err
	}
	return f.Sync()
}

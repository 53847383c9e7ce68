package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// load is a set of clients that send events to entry1 and entry2 in turn. They send each
// event until it is acknowledged, always with the same Idempotency-Key.
type load struct {
	t           *testing.T
	stop        chan struct{}
	aborted     atomic.Bool // the test has ended
	wg          sync.WaitGroup
	retries     atomic.Int64
	unavailable atomic.Int64 // answers of 503
	longest     atomic.Int64 // longest wait for an acknowledgement, in nanoseconds
	mu          sync.Mutex
	acked       []string // contents, each unique
}

// startLoad starts clients, which send at most limit events; 0 means no limit.
func startLoad(t *testing.T, p *process, name string, clients, limit int) *load {
	l := &load{t: t, stop: make(chan struct{})}
	base := &process{base: p.base}
	var sent atomic.Int64
	for c := range clients {
		l.wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				if limit > 0 && sent.Add(1) > int64(limit) {
					return
				}
				id := fmt.Sprintf("%s-%d-%d", name, c, n)
				if !l.deliver(base, fmt.Sprintf("entry%d", 1+(c+n)%2), id) {
					return
				}
			}
		})
	}
	t.Cleanup(func() { l.aborted.Store(true); l.finish() })
	return l
}

// deliver sends one event until it is acknowledged.
func (l *load) deliver(p *process, key, id string) bool {
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline) && !l.aborted.Load(); {
		asked := time.Now()
		resp, body, err := p.call("POST", "/event/"+key, id, "Idempotency-Key", id)
		switch {
		case err != nil: // the process is down, or died before the answer
		case resp.StatusCode == http.StatusOK:
			var r receipt
			if err := json.Unmarshal(body, &r); err != nil || r.ID == "" || r.EventKey != key {
				l.t.Errorf("%s is answered with %s", id, body)
			}
			l.mu.Lock()
			l.longest.Store(max(l.longest.Load(), int64(time.Since(asked))))
			l.acked = append(l.acked, id)
			l.mu.Unlock()
			return true
		default:
			l.unavailable.Add(1)
			if err := problem(resp, body); err != nil {
				l.t.Errorf("%s: %v", id, err)
				return false
			}
		}
		l.retries.Add(1)
		time.Sleep(10 * time.Millisecond)
	}
	if !l.aborted.Load() {
		l.t.Errorf("%s is not acknowledged in time", id)
	}
	return false
}

// goesOn waits until another event is acknowledged.
func (l *load) goesOn(t *testing.T) {
	t.Helper()
	acked := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.acked)
	}
	before := acked()
	eventually(t, "another event is acknowledged", func() error {
		if acked() == before {
			return errors.New("none was")
		}
		return nil
	})
}

// finish stops the clients, after each has delivered its current event.
func (l *load) finish() {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	l.wg.Wait()
}

// census records which message each event is in.
type census struct {
	mu         sync.Mutex
	bodies     map[string][]byte // by eventID
	events     map[string]int    // number of events, by eventID
	in         map[string]string // eventID by content
	ids        map[string]string // eventID by the event's id
	deliveries int
	faults     []string
}

func newCensus() *census {
	return &census{bodies: map[string][]byte{}, events: map[string]int{}, in: map[string]string{}, ids: map[string]string{}}
}

// add counts a message, which may arrive more than once.
func (c *census) add(body []byte) {
	var m struct {
		EventID string
		Events  map[string]struct {
			NumberOfEvents int
			Events         []struct{ ID, EventKey, Content string }
		}
	}
	err := json.Unmarshal(body, &m)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliveries++
	if err != nil || m.EventID == "" {
		c.fault("a message is %q: %v", body, err)
		return
	}
	if before, ok := c.bodies[m.EventID]; ok {
		if string(before) != string(body) {
			c.fault("message %s differs from time to time:\n%s\n%s", m.EventID, before, body)
		}
		return
	}
	c.bodies[m.EventID] = slices.Clone(body)
	for key, list := range m.Events {
		if list.NumberOfEvents != len(list.Events) {
			c.fault("message %s has %d of %d events of %s", m.EventID, len(list.Events), list.NumberOfEvents, key)
		}
		for _, e := range list.Events {
			c.events[m.EventID]++
			if other, ok := c.in[e.Content]; ok {
				c.fault("%s is in %s and in %s", e.Content, other, m.EventID)
			}
			if other, ok := c.ids[e.ID]; ok {
				c.fault("event id %s is in %s and in %s", e.ID, other, m.EventID)
			}
			if e.EventKey != key {
				c.fault("%s of %s is listed under %s", e.Content, e.EventKey, key)
			}
			c.in[e.Content], c.ids[e.ID] = m.EventID, m.EventID
		}
	}
}

func (c *census) fault(format string, args ...any) {
	if len(c.faults) < 20 {
		c.faults = append(c.faults, fmt.Sprintf(format, args...))
	}
}

// missing returns how many of the contents are in no message yet.
func (c *census) missing(contents []string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range contents {
		if _, ok := c.in[id]; !ok {
			n++
		}
	}
	return n
}

// check requires that each acknowledged event, and no other, is in exactly one message.
func (c *census) check(t *testing.T, acked []string) {
	t.Helper()
	if n := c.missing(acked); n > 0 {
		t.Errorf("%d of %d acknowledged events are in no message", n, len(acked))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.in) != len(acked) {
		t.Errorf("%d events are in messages, %d were acknowledged", len(c.in), len(acked))
	}
	if len(c.faults) > 0 {
		t.Errorf("the messages are wrong:\n%s", strings.Join(c.faults, "\n"))
	}
}

// collect reads the whole list of messages from the process, and the content of at most
// some of them (0: of all).
func (c *census) collect(t *testing.T, p *process, some int) {
	t.Helper()
	var list []messageInfo
	eventually(t, "every message is published", func() error { // a trigger may be answered before its message is marked as published
		list = p.messages(t)
		for _, m := range list {
			if m.State != "published" {
				return fmt.Errorf("message %s is %s: %s", m.EventID, m.State, m.LastError)
			}
		}
		return nil
	})
	seen := map[string]bool{}
	for _, m := range list {
		if seen[m.EventID] {
			t.Errorf("two messages in the list have eventID %s", m.EventID)
		}
		seen[m.EventID] = true
	}
	if some > 0 && some < len(list) {
		list = list[:some]
	}
	err := parallel(list, 4, func(m messageInfo) error {
		resp, body, err := p.call("GET", "/messages/"+m.EventID, "")
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("message %s: %s: %s", m.EventID, resp.Status, body)
		}
		c.add(body)
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := c.events[m.EventID]; n != m.NumberOfEvents {
			return fmt.Errorf("message %s has %d events, and %d in the list", m.EventID, n, m.NumberOfEvents)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The census finds lost and duplicate events.
func TestCensus(t *testing.T) {
	t.Parallel()
	const message = `{"eventID":"%s","events":{"entry1":{"numberOfEvents":1,"events":[{"id":"i%s","eventKey":"entry1","content":"%s"}]}}}`
	c := newCensus()
	c.add(fmt.Appendf(nil, message, "m1", "1", "one"))
	c.add(fmt.Appendf(nil, message, "m1", "1", "one"))
	require.Empty(t, c.faults)
	require.Equal(t, 1, c.missing([]string{"one", "two"}))
	c.add(fmt.Appendf(nil, message, "m1", "1", "other"))
	require.Len(t, c.faults, 1, "another message of one eventID")
	c.add(fmt.Appendf(nil, message, "m2", "2", "one"))
	require.Len(t, c.faults, 2, "one event in two messages")
	c.add(fmt.Appendf(nil, message, "m3", "1", "three"))
	require.Len(t, c.faults, 3, "one id in two messages")
	c.add([]byte("nonsense"))
	require.Len(t, c.faults, 4)
}

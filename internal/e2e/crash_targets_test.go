package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// endpoint takes messages and alerts. It refuses the first attempt of some.
type endpoint struct {
	mu     sync.Mutex
	got    map[string]int    // by path and id
	alerts map[string]string // the message by the alert's id
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := r.URL.Path + " " + r.Header.Get("Ce-Id")
	if e.got[id]++; e.got[id] == 1 && strings.HasSuffix(id, "0") {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.URL.Path == "/alert" {
		var alert struct{ ID, EventID string }
		if err := json.NewDecoder(r.Body).Decode(&alert); err == nil {
			e.alerts[alert.ID] = alert.EventID
		}
	}
}

// One of two processes on a store is killed at random moments while windows complete and
// close. Every target gets every message, and every incomplete window is alerted under one
// id.
func TestCrashWithTargetsAndAlerts(t *testing.T) {
	t.Parallel()
	slow(t)
	e := &endpoint{got: map[string]int{}, alerts: map[string]string{}}
	receiver := httptest.NewServer(e)
	t.Cleanup(receiver.Close)
	cfg := with(windows("targets", "p"), fmt.Sprintf(`"targets":[{"name":"a","http":{"url":"%s/a"}},{"name":"b","http":{"url":"%[1]s/b"}}],"alerts":{"http":[{"url":"%[1]s/alert"}]}`, receiver.URL))
	o := options{data: t.TempDir(), env: []string{"CONFIG=" + cfg}}
	start(t, o) // it stays, and finds what the other one leaves
	p, acked := crash(t, o, (*process).closes)
	acked = append(acked, p.closesOne(t))
	c := newCensus()
	c.collect(t, p, 0)
	c.check(t, acked)
	c.checkWindows(t, p.messages(t))

	list := p.messages(t)
	eventually(t, "every target and every alert is there", func() error {
		if err := p.expect(200, "POST", "/sweep"); err != nil {
			return err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		alerted := map[string]int{}
		for _, eventID := range e.alerts {
			alerted[eventID]++
		}
		partial := 0
		for _, m := range list {
			require.Equal(t, "published", m.State)
			for _, path := range []string{"/a ", "/b "} {
				require.Positive(t, e.got[path+m.EventID], "target %s has no message %s", path, m.EventID)
			}
			if m.Completion != "partial" {
				require.Zero(t, alerted[m.EventID])
				continue
			}
			if partial++; alerted[m.EventID] != 1 {
				time.Sleep(200 * time.Millisecond)
				return fmt.Errorf("message %s has %d alerts", m.EventID, alerted[m.EventID])
			}
		}
		require.Len(t, e.alerts, partial)
		return nil
	})
	twice := 0
	for _, n := range e.got {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d deliveries, %d of them more than once", len(e.got), twice)
}

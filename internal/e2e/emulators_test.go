package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
)

// Two environment variables suffice to get the message over Pub/Sub.
func TestEmulators(t *testing.T) {
	t.Parallel()
	firestore, _ := emulator.Firestore(t)
	pubsubHost, _ := emulator.PubSub(t)
	s := consume(t, pubsubHost, "headgate-local", nil)
	p := start(t, options{env: []string{"FIRESTORE_EMULATOR_HOST=" + firestore, "PUBSUB_EMULATOR_HOST=" + pubsubHost}})
	require.Contains(t, p.stderr.String(), "store=firestore bus=pubsub")
	require.NoError(t, p.expect(200, "POST", "/reset")) // drop the events of an earlier run

	tag := emulator.Project()
	latin := "caf\xe9 " + tag
	first := p.event(t, "entry1", latin)
	require.Nil(t, first.Triggered)
	r := p.event(t, "entry2?q=%ff&__a__=1", "{\"n\": 1, \"t\": \"<"+tag+">\"}")
	require.NotNil(t, r.Triggered)
	eventID := *r.Triggered

	var published []byte
	eventually(t, "the message comes", func() error {
		s.census.mu.Lock()
		defer s.census.mu.Unlock()
		if published = s.census.bodies[eventID]; published == nil {
			return fmt.Errorf("%d other messages came", len(s.census.bodies))
		}
		return nil
	})
	resp, served, err := p.call("GET", "/messages/"+eventID, "")
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, string(published), string(served))
	require.Contains(t, string(published), `"contentEncoding":"base64"`)

	s.mu.Lock()
	attrs := s.attributes[eventID]
	s.mu.Unlock()
	require.Equal(t, "My First Event Sync", attrs["serviceName"])
	require.Equal(t, eventID, attrs["eventID"])
	require.Equal(t, "window", attrs["triggerType"])
	require.Equal(t, "application/json", attrs["content-type"])
	require.Equal(t, "1.0", attrs["ce-specversion"])
	require.Equal(t, eventID, attrs["ce-id"])
	require.Equal(t, "/services/My%20First%20Event%20Sync", attrs["ce-source"])
	require.NotEmpty(t, attrs["ce-type"])
	_, err = time.Parse(time.RFC3339Nano, attrs["ce-time"])
	require.NoError(t, err)
	claimID := ""
	for _, m := range p.messages(t) {
		if m.EventID == eventID {
			claimID = m.ClaimID
		}
	}
	require.NotEmpty(t, claimID)
	require.Equal(t, claimID, attrs["claimID"])
	require.NotContains(t, attrs, "claimCheck")

	require.NoError(t, p.expect(200, "POST", "/messages/"+eventID+"/replay"))
	eventually(t, "the replay comes", func() error {
		if s.redelivered() == 0 {
			return fmt.Errorf("no message came twice")
		}
		return nil
	})
	require.Empty(t, s.census.faults, "a replay is the same message")
}

// Two processes share a service in one store. Each of 2,000 events gets into exactly one
// message.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	slow(t)
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		env, pubsubHost, project := emulated(t)
		s := consume(t, pubsubHost, project, nil)
		p, acked := share(t, options{env: env})
		s.receivesAll(t, acked)
		redelivered := s.redelivered()
		s.census.collect(t, p, 200)
		s.census.check(t, acked)
		t.Logf("%d messages, %d of them delivered again", len(s.census.bodies), redelivered)
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		p, acked := share(t, options{data: t.TempDir(), env: []string{"CONFIG=" + service("shared", "p")}})
		c := newCensus()
		c.collect(t, p, 0)
		c.check(t, acked)
		t.Logf("%d messages", len(c.bodies))
	})
}

// share loads two processes and returns one of them, with no event waiting, and the
// acknowledged events.
func share(t *testing.T, o options) (*process, []string) {
	t.Helper()
	a, b := start(t, o), start(t, o)
	begin := time.Now()
	la, lb := startLoad(t, a, "a", 16, 1000), startLoad(t, b, "b", 16, 1000)
	la.wg.Wait()
	lb.wg.Wait()
	took := time.Since(begin)
	acked := append(la.acked, lb.acked...)
	require.Len(t, acked, 2000)
	a.settle(t)
	t.Logf("2,000 events in %v (%.0f/s), %d requests repeated",
		took.Round(time.Millisecond), 2000/took.Seconds(), la.retries.Load()+lb.retries.Load())
	return b, acked
}

package e2e_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// windows returns the configuration of a service whose windows close after a second. Each
// client of a load has a key of its own.
func windows(name, project string) string {
	return fmt.Sprintf(`{"serviceName":%q,"trigger":{"type":"window","window":"anchored","observationPeriod":1,"onClose":"partial"},`+
		`"correlation":{"key":"event.text.substring(0, 3)"},`+
		`"endpoints":[{"eventKey":"entry1","minNbOfOccurrence":3},{"eventKey":"entry2"}],"targetPubSub":{"topic":%q}}`, name, topicOf(project))
}

// The process is killed at random moments while windows complete and close. Each event that
// was acknowledged is in one message, and each window has one end.
func TestCrashWithDeadlines(t *testing.T) {
	t.Parallel()
	slow(t)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		p, acked := crash(t, options{env: []string{"CONFIG=" + windows("deadlines", "p")}}, (*process).closes)
		acked = append(acked, p.closesOne(t))
		c := newCensus()
		c.collect(t, p, 0)
		c.check(t, acked)
		c.checkWindows(t, p.messages(t))
	})
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		env, pubsubHost, project := emulated(t)
		env = append(env, "CONFIG="+windows("e2e "+project, project)) // the last one counts
		s := consume(t, pubsubHost, project, nil)
		p, acked := crash(t, options{env: env}, (*process).closes)
		acked = append(acked, p.closesOne(t))
		s.receivesAll(t, acked)
		s.census.collect(t, p, 300) // few: the emulator reads all claims to find one
		s.census.check(t, acked)
		s.census.checkWindows(t, p.messages(t))
	})
}

// closes waits until every window has closed by itself, and every claim is published.
func (p *process) closes(t *testing.T) {
	t.Helper()
	eventually(t, "every window closes", func() error {
		if err := p.expect(200, "POST", "/sweep"); err != nil {
			return err
		}
		s, err := try[serviceStatus](p, "GET", "/status")
		if err == nil && s.Outbox.Backlog+s.have() > 0 {
			err = fmt.Errorf("%d messages are not published, and %d events wait", s.Outbox.Backlog, s.have())
			time.Sleep(200 * time.Millisecond)
		}
		return err
	})
}

// closesOne returns an event whose window closes incomplete.
func (p *process) closesOne(t *testing.T) string {
	t.Helper()
	const alone = "one event alone"
	p.event(t, "entry1", alone)
	p.closes(t)
	return alone
}

// checkWindows requires that each window has one end, which agrees with its events.
func (c *census) checkWindows(t *testing.T, list []messageInfo) {
	t.Helper()
	type window struct {
		key    string
		opened time.Time
	}
	ends, count := map[window]string{}, map[string]int{}
	for _, m := range list {
		one := window{m.CorrelationKey, m.Opened}
		require.Empty(t, ends[one], "the window of %s opened at %s ends twice", m.CorrelationKey, m.Opened)
		require.Equal(t, time.Second, m.Closes.Sub(m.Opened))
		ends[one] = m.Completion
		count[m.Completion]++
	}
	require.Equal(t, len(list), count["complete"]+count["partial"], "%v", count)
	require.Positive(t, count["partial"])
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, body := range c.bodies {
		var m struct {
			CorrelationKey, Completion string
			Events                     map[string]struct{ Events []struct{ Content string } }
		}
		require.NoError(t, json.Unmarshal(body, &m))
		complete := len(m.Events["entry1"].Events) >= 3 && len(m.Events["entry2"].Events) >= 1
		require.Equal(t, complete, m.Completion == "complete", "message %s is %s:\n%s", id, m.Completion, body)
		for _, l := range m.Events {
			for _, e := range l.Events {
				require.Equal(t, m.CorrelationKey, e.Content[:3], "message %s has events of other keys", id)
			}
		}
	}
	t.Logf("%d windows: %v", len(list), count)
}

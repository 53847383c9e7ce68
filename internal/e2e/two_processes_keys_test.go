package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// eventsOfKey is the number of events that complete a window of keyed: half of them of each
// endpoint.
const eventsOfKey = 10

// keyed returns the configuration of a service whose events begin with their key.
func keyed(name, project string) string {
	return fmt.Sprintf(`{"serviceName":%q,"trigger":{"type":"window","window":"anchored","observationPeriod":3600},`+
		`"correlation":{"key":"event.text.substring(0, event.text.indexOf('-'))"},`+
		`"endpoints":[{"eventKey":"entry1","minNbOfOccurrence":%d},{"eventKey":"entry2","minNbOfOccurrence":%d}],"targetPubSub":{"topic":%q}}`,
		name, eventsOfKey/2, eventsOfKey/2, topicOf(project))
}

// Two processes share a service with correlation keys in one store. The events of each key
// arrive at both, in any order. Each event is in exactly one message, and each key has
// exactly one.
func TestTwoProcessesWithKeys(t *testing.T) {
	t.Parallel()
	slow(t)
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		const keys = 100
		env, pubsubHost, project := emulated(t)
		env = append(env, "CONFIG="+keyed("e2e "+project, project)) // the last one counts
		s := consume(t, pubsubHost, project, nil)
		p, acked := shareKeys(t, options{env: env}, keys)
		s.receivesAll(t, acked)
		s.census.collect(t, p, 0)
		s.census.check(t, acked)
		s.census.checkKeys(t, p.messages(t), keys)
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		const keys = 1000
		p, acked := shareKeys(t, options{data: t.TempDir(), env: []string{"CONFIG=" + keyed("shared keys", "p")}}, keys)
		c := newCensus()
		c.collect(t, p, 0)
		c.check(t, acked)
		c.checkKeys(t, p.messages(t), keys)
	})
}

// shareKeys loads two processes with the events of all keys. It returns one of the
// processes, with no event waiting, and the acknowledged events.
func shareKeys(t *testing.T, o options, keys int) (*process, []string) {
	t.Helper()
	a, b := start(t, o), start(t, o)
	var contents []string
	for k := range keys {
		for n := range eventsOfKey {
			contents = append(contents, fmt.Sprintf("k%d-%d", k, n))
		}
	}
	rand.Shuffle(len(contents), func(i, j int) { contents[i], contents[j] = contents[j], contents[i] })
	l := &load{t: t}
	var next atomic.Int64
	begin := time.Now()
	for c := range 32 {
		to := []*process{a, b}[c%2]
		l.wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(contents) {
					return
				}
				endpoint := "entry1"
				if (contents[n][len(contents[n])-1]-'0')%2 == 1 {
					endpoint = "entry2"
				}
				if !l.deliver(to, endpoint, contents[n]) {
					return
				}
			}
		})
	}
	t.Cleanup(func() { l.aborted.Store(true); l.wg.Wait() })
	l.wg.Wait()
	took := time.Since(begin)
	require.Len(t, l.acked, len(contents))
	require.Zero(t, a.status(t).have(), "every window is complete")
	t.Logf("%d events of %d keys in %v (%.0f/s), %d requests repeated",
		len(contents), keys, took.Round(time.Millisecond), float64(len(contents))/took.Seconds(), l.retries.Load())
	return b, l.acked
}

// checkKeys requires that each key has one message, with all of its events and no other.
func (c *census) checkKeys(t *testing.T, list []messageInfo, keys int) {
	t.Helper()
	require.Len(t, list, keys)
	seen := map[string]bool{}
	for _, m := range list {
		require.False(t, seen[m.CorrelationKey], "key %s has two messages", m.CorrelationKey)
		seen[m.CorrelationKey] = true
		require.Equal(t, "complete", m.Completion)
		require.Equal(t, eventsOfKey, m.NumberOfEvents)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Len(t, c.bodies, keys)
	for _, body := range c.bodies {
		var m struct {
			CorrelationKey string
			Events         map[string]struct{ Events []struct{ Content string } }
		}
		require.NoError(t, json.Unmarshal(body, &m))
		for _, l := range m.Events {
			for _, e := range l.Events {
				require.True(t, strings.HasPrefix(e.Content, m.CorrelationKey+"-"), "%s is in the message of %s", e.Content, m.CorrelationKey)
			}
		}
	}
}

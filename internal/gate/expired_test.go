package gate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// logged keeps the lines with a message, as JSON.
type logged struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

// saying returns the lines with that text; "": all.
func (l *logged) saying(msg string) (lines []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.lines.String()) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil && (msg == "" || m["msg"] == msg) {
			lines = append(lines, m)
		}
	}
	return lines
}

const lost = "events left the window without a message"

func (w *world) logs() *logged {
	l := &logged{}
	w.log = slog.NewJSONHandler(l, nil)
	return l
}

// expired returns the count of each endpoint in the status.
func (i *instance) expired() (counts [2]int) {
	i.w.Helper()
	s, err := i.Status(context.Background(), nil)
	require.NoError(i.w, err)
	for n, e := range s.Endpoints {
		counts[n] = e.Expired
	}
	return counts
}

func TestWhatExpiresIsTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		logs := w.logs()
		i, other := w.instance(0), w.instance(0)
		w.pass(time.Hour) // the clocks are settled by then
		first := i.send("a", "")
		require.Empty(t, first)
		i.w.ran += time.Second
		i.send("a", "one")
		require.Equal(t, [2]int{}, i.expired())

		w.ran += period + time.Minute
		i.send("a", "")
		require.Equal(t, [2]int{2, 0}, i.expired(), "nobody swept, but they are over")
		require.Empty(t, logs.saying(lost))

		s, err := i.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, s.Expired)
		lines := logs.saying(lost)
		require.Len(t, lines, 1)
		require.Equal(t, "WARN", lines[0]["level"])
		for name, want := range map[string]any{"serviceName": "s", "eventKey": "a", "have": 1.0, "need": 1.0, "count": 2.0} {
			require.Equal(t, want, lines[0][name], name)
		}
		oldest, err := time.Parse(time.RFC3339Nano, lines[0]["oldest"].(string))
		require.NoError(t, err)
		require.True(t, oldest.Equal(w.events[0].receipt.ReceivedAt))

		for _, one := range []*instance{i, other} { // once, whoever sweeps
			s, err = one.Sweep(t.Context())
			require.NoError(t, err)
			require.Zero(t, s.Expired)
		}
		require.Len(t, logs.saying(lost), 1)
		i.restart()
		require.Equal(t, [2]int{2, 0}, i.expired(), "a restart forgets nothing")

		i.w.ran += period + time.Minute
		i.send("b", "")
		i.w.ran += period + time.Minute
		s, err = other.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, s.Expired)
		require.Len(t, logs.saying(lost), 3, "a line for each endpoint")
		require.Equal(t, [2]int{3, 1}, i.expired())
	})
}

// What was in a message has not expired without one, although its pointer stays.
func TestWhatIsKeptDoesNotExpireTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.cfg.Trigger.KeepEventAfterTrigger = true
		logs := w.logs()
		i := w.instance(0)
		w.pass(time.Hour)
		i.send("a", "")
		w.ran += period + time.Minute
		i.send("a", "")
		w.ran += time.Minute
		require.NotEmpty(t, i.send("b", ""))
		w.ran += time.Minute
		i.send("a", "") // another message
		w.ran += time.Minute
		require.Equal(t, [2]int{1, 0}, i.expired())
		w.ran += 2 * period
		i.send("b", "")
		w.ran += 2 * period
		require.Equal(t, [2]int{1, 1}, i.expired())
		s, err := i.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, s.Expired)
		require.Len(t, logs.saying(lost), 2)
		require.Equal(t, [2]int{1, 1}, i.expired())
	})
}

// brokenDocs refuses to commit while it is broken.
type brokenDocs struct {
	store.Docs
	broken bool
}

func (d *brokenDocs) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if d.broken {
		return nil, errors.New("away")
	}
	return d.Docs.Commit(ctx, writes)
}

// A count that could not be stored is stored by the next sweep, and two instances that
// count at once lose nothing.
func TestTheCountOfWhatExpiredIsNotLost(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		docs := &brokenDocs{Docs: w.docs, broken: true}
		w.docs = docs
		i, other := w.instance(0), w.instance(0)
		w.pass(time.Hour)
		i.send("a", "")
		w.ran += period + time.Minute
		s, err := i.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, s.Expired)
		docs.broken = false
		for range 20 {
			i.send("a", "")
		}
		w.ran += period + time.Minute
		var both sync.WaitGroup
		for _, one := range []*instance{i, other} {
			both.Go(func() { _, _ = one.Sweep(context.Background()) })
		}
		both.Wait()
		require.Equal(t, [2]int{21, 0}, i.expired())
	})
}

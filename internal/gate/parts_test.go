package gate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// killedStore is a process's connection to the store. The process dies at a commit of a part:
// before that takes effect, or after it and before the answer.
type killedStore struct {
	store.Store
	max  int // MaxClaim
	now  func() time.Time
	mu   sync.Mutex
	left int // commits of parts until it dies; negative: it lives
	lost bool
}

func (s *killedStore) MaxClaim() int { return s.max }

func (s *killedStore) Now(ctx context.Context) (time.Time, bool, error) {
	_, ok, err := s.Store.Now(ctx)
	return s.now(), ok, err
}

func (s *killedStore) Gather(ctx context.Context, c store.Claim, p store.Part) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dies := s.left == 0
	if s.left > 0 {
		s.left--
	}
	if dies && !s.lost {
		return errDead
	}
	if dies {
		s.left, s.lost = 0, false
	}
	if err := s.Store.Gather(ctx, c, p); err != nil || !dies {
		return err
	}
	return errDead
}

// pair is two instances of a service with plain sets.
type pair struct {
	require.TestingT
	store drivertest.Store
	bus   *moodyBus
	cfg   config.Service
	max   int
	ran   time.Duration
	began time.Time
	skew  time.Duration // of the second instance's clock
	one   [2]*gate.Gate
	conn  [2]*killedStore
}

func newPair(t require.TestingT, st drivertest.Store, trigger, sendA, sendB string, limit int) *pair {
	cfg, err := config.Parse(fmt.Appendf(nil, `{"serviceName":"s%d","retentionDays":1,"trigger":{"type":"window","observationPeriod":3600%s},
		"endpoints":[{"eventKey":"a","minNbOfOccurrence":3,"eventToSend":%q},{"eventKey":"b","eventToSend":%q}],"targetPubSub":{"topic":%q}}`, trials.Add(1), trigger, sendA, sendB, topic))
	require.NoError(t, err)
	p := &pair{TestingT: t, store: st, bus: &moodyBus{Bus: localbus.New(topic)}, cfg: cfg.Services[0], max: limit, began: time.Now().UTC().Truncate(time.Second)}
	for n := range p.one {
		p.start(n)
	}
	return p
}

// start starts an instance, or replaces one that died.
func (p *pair) start(n int) {
	p.close(n)
	p.conn[n] = &killedStore{Store: p.store, max: p.max, left: -1, now: func() time.Time { return p.began.Add(p.ran) }}
	p.one[n] = gate.New(p.cfg, gate.Options{
		Store: p.conn[n], Docs: p.store, Bus: p.bus, Log: slog.New(slog.DiscardHandler),
		Clock: clock.New(clock.Options{
			Wall: func() time.Time { return p.began.Add(p.ran + time.Duration(n)*p.skew) },
			Mono: func() time.Duration { return p.ran },
		}),
	})
}

func (p *pair) close(n int) {
	if p.one[n] != nil {
		require.NoError(p, p.one[n].Close(context.Background()))
	}
}

func (p *pair) idle() {
	for _, g := range p.one {
		g.Idle()
	}
}

// send sends events to an instance. An error means that it died in the check.
func (p *pair) send(n int, key string, count int) (refs []event.Ref) {
	in := make([]gate.Incoming, count)
	for i := range in {
		in[i] = gate.Incoming{EventKey: key, Meta: event.Meta{Method: "POST"}, Content: []byte("x")}
	}
	out, err := p.one[n].Ingest(context.Background(), in...)
	require.NoError(p, err)
	for _, r := range out.Receipts {
		refs = append(refs, event.Ref{ID: r.ID, ReceivedAt: r.ReceivedAt})
	}
	return refs
}

// wholeMessage is a message as its contentURL serves it.
type wholeMessage struct {
	EventID string
	Events  map[string]struct {
		NumberOfEvents int
		Events         []struct {
			ID       string
			Datetime time.Time
		}
	}
}

func (p *pair) read(eventID string) (m wholeMessage) {
	var b bytes.Buffer
	require.NoError(p, p.one[0].WriteMessage(context.Background(), eventID, &b, func(int) {}))
	require.NoError(p, json.Unmarshal(b.Bytes(), &m))
	return m
}

// A window that is claimed in parts is one message, although its instances die between the
// parts, one is behind, and further events arrive meanwhile.
func TestAWindowInPartsIsOneMessage(t *testing.T) {
	t.Parallel()
	st := drivertest.SQLite(t)
	rapid.Check(t, func(t *rapid.T) {
		sends := rapid.SampledFrom([]string{window.All, window.First, window.Last, window.Boundaries})
		send := map[string]string{"a": sends.Draw(t, "a"), "b": sends.Draw(t, "b")}
		p := newPair(t, st, "", send["a"], send["b"], rapid.IntRange(5, 9).Draw(t, "most"))
		p.skew = time.Duration(rapid.SampledFrom([]int{0, 0, -10, 10}).Draw(t, "skew")) * time.Second
		defer func() { p.close(0); p.close(1) }()
		which := rapid.IntRange(0, 1)
		all := map[string]string{}
		note := func(key string, refs []event.Ref) {
			for _, r := range refs {
				all[r.ID] = key
			}
		}
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			note("a", p.send(which.Draw(t, "by"), "a", rapid.IntRange(3, 20).Draw(t, "count")))
			p.ran += time.Duration(rapid.IntRange(0, 2).Draw(t, "pause")) * time.Second
		}
		first := len(all) + 1
		for kill := 0; kill < 20; kill++ {
			n := which.Draw(t, "by")
			if rapid.IntRange(0, 3).Draw(t, "kill") > 0 {
				p.conn[n].left, p.conn[n].lost = rapid.IntRange(0, 3).Draw(t, "parts"), rapid.Bool().Draw(t, "lost")
			}
			if kill == 0 {
				note("b", p.send(n, "b", 1))
			} else {
				if rapid.Bool().Draw(t, "more") {
					note("a", p.send(n, "a", rapid.IntRange(1, 5).Draw(t, "count")))
				}
				_, err := p.one[n].Sweep(context.Background())
				if err != nil {
					require.ErrorIs(t, err, errDead)
				}
			}
			p.idle()
			if p.conn[n].left == 0 {
				p.start(n)
			}
			p.ran += time.Duration(rapid.SampledFrom([]int{1, 20, 60}).Draw(t, "pass")) * time.Second
			if len(p.bus.ids()) > 0 {
				break
			}
		}
		for n := range p.one { // nobody dies any more
			p.start(n)
			p.ran += time.Minute
			_, err := p.one[n].Sweep(context.Background())
			require.NoError(t, err)
			p.idle()
		}
		require.Len(t, p.bus.ids(), 1)
		note("a", p.send(0, "a", 3)) // what arrived after the window is the next one
		note("b", p.send(0, "b", 1))
		p.idle()
		ids := p.bus.ids()
		require.Len(t, ids, 2)

		counts, seen := map[string]int{}, map[string]bool{}
		for i, id := range ids {
			m := p.read(id)
			require.Equal(t, id, m.EventID)
			total := 0
			var waiting [][]event.Ref
			for _, key := range []string{"a", "b"} {
				counts[key] += m.Events[key].NumberOfEvents
				total += m.Events[key].NumberOfEvents
				refs := []event.Ref{}
				for _, e := range m.Events[key].Events {
					require.False(t, seen[e.ID], "an event is in two messages")
					require.Equal(t, key, all[e.ID])
					seen[e.ID] = true
					refs = append(refs, event.Ref{ID: e.ID, ReceivedAt: e.Datetime})
				}
				require.IsIncreasing(t, stamps(refs), "in the documented order")
				waiting = append(waiting, refs)
				want := map[string]int{window.All: m.Events[key].NumberOfEvents, window.Boundaries: min(2, m.Events[key].NumberOfEvents)}
				require.Len(t, refs, max(1, want[send[key]]))
			}
			rel, ok := window.Build([]window.Rule{{Key: "a", Send: window.All}, {Key: "b", Send: window.All}}, waiting)
			require.True(t, ok)
			require.Equal(t, rel.EventID, id, "as if it were one commit")
			require.True(t, i > 0 || total >= first, "the first message has the whole window")
		}
		require.Equal(t, len(all), counts["a"]+counts["b"])
		for key := range send {
			left, err := p.store.Pending(context.Background(), store.Endpoint{Service: p.cfg.ServiceName, Key: key}, time.Time{}, 0)
			require.NoError(t, err)
			require.Empty(t, left, "events and marks are gone")
		}
	})
}

func stamps(refs []event.Ref) []string {
	out := make([]string, len(refs))
	for i, r := range refs {
		out[i] = r.ReceivedAt.Format("2006-01-02T15:04:05.000000") + r.ID
	}
	return out
}

// interrupted returns a pair whose first instance died while it claimed 20 events in parts,
// and the claim waits for somebody to go on.
func interrupted(t *testing.T, st drivertest.Store) *pair {
	p := newPair(t, st, "", window.All, window.All, 6)
	t.Cleanup(func() { p.close(0); p.close(1) })
	p.send(0, "a", 19)
	p.ran += time.Millisecond
	p.conn[0].left = 2
	p.send(0, "b", 1)
	p.idle()
	p.ran += time.Millisecond
	require.Empty(t, p.bus.ids())
	return p
}

// Until it is whole, the events of a claim in parts belong to nobody else.
func TestNobodyElseTakesTheEventsOfAClaimInParts(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	waits := func(t *testing.T, p *pair) (n int) {
		list, err := p.one[1].Pending(ctx, nil, 100)
		require.NoError(t, err)
		for _, w := range list {
			n += len(w.Events)
		}
		return n
	}
	for name, do := range map[string]func(t *testing.T, p *pair){
		"check": func(t *testing.T, p *pair) {
			p.send(1, "a", 3)
			p.send(1, "b", 1)
			v, err := p.one[1].Check(ctx, nil)
			require.NoError(t, err)
			require.Empty(t, v.Triggered)
			p.idle()
			require.Empty(t, p.bus.ids())
			p.ran += time.Minute
			require.NoError(t, p.one[1].CloseDue(ctx))
			p.one[1].Help()() // the lease has passed
			p.idle()
			require.Len(t, p.bus.ids(), 2, "the claim, and then the window of those that arrived meanwhile")
		},
		"reset": func(t *testing.T, p *pair) {
			p.send(1, "a", 2)
			n, err := p.one[1].Reset(ctx, "", nil)
			require.NoError(t, err)
			require.Equal(t, 2, n)
			p.idle()
			require.Len(t, p.bus.ids(), 1)
		},
		"trigger": func(t *testing.T, p *pair) {
			p.send(1, "a", 2)
			got, err := p.one[1].Trigger(ctx, nil)
			require.NoError(t, err)
			require.Equal(t, 2, got.NumberOfEvents)
			p.idle()
			require.Len(t, p.bus.ids(), 2)
		},
		"sweep, after the events have left the window": func(t *testing.T, p *pair) {
			p.ran += 2 * time.Hour
			for range 2 {
				_, err := p.one[1].Sweep(ctx)
				require.NoError(t, err)
				p.idle()
			}
			require.Len(t, p.bus.ids(), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.Each(t, func(t *testing.T, st drivertest.Store) {
				p := interrupted(t, st)
				require.Less(t, waits(t, p), 20)
				infos, err := p.one[1].Messages(ctx, store.Page{Limit: 10})
				require.NoError(t, err)
				require.Empty(t, infos, "it is no message yet")
				do(t, p)
				m := p.read(p.bus.ids()[0])
				if ids := p.bus.ids(); len(ids) == 2 && m.Events["a"].NumberOfEvents == 2 { // the messages are published side by side
					m = p.read(ids[1])
				}
				require.Equal(t, 19, m.Events["a"].NumberOfEvents)
				require.Equal(t, 1, m.Events["b"].NumberOfEvents)
				require.Zero(t, waits(t, p))
			})
		})
	}
}

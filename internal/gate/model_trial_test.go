package gate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
)

// trial carries out a plan, and keeps what the instances did to the store and the bus.
type trial struct {
	require.TestingT
	plan
	service string
	began   time.Time
	ran     atomic.Int64 // true time since the trial began
	timed   bool         // the store has a time of its own
	store   store.Store
	members [2]*member
	acked   map[string]bool // events that were acknowledged and are waited for, by id
	resets  bool            // a reset that a user asked for is under way
	deaths  bool

	mu        sync.Mutex
	busAway   bool
	stored    map[string]store.Append
	lost      map[string]bool // superseded
	claims    []claimed
	discarded map[string]discard
	sent      map[string][]string // topics by eventID
}

type claimed struct {
	store.Claim
	truth time.Time
}

type discard struct {
	at     time.Time
	asked  bool // by a user
	waited store.Waiting
}

// member is an instance of a trial.
type member struct {
	*gate.Gate
	store *mortalStore
	skew  time.Duration
}

var trials atomic.Int64

func newTrial(t require.TestingT, p plan, st store.Store, timed bool) *trial {
	tr := &trial{
		TestingT: t, plan: p, service: fmt.Sprint("s", trials.Add(1)), began: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), timed: timed, store: st,
		acked: map[string]bool{}, stored: map[string]store.Append{}, lost: map[string]bool{}, discarded: map[string]discard{}, sent: map[string][]string{},
	}
	for n := range tr.members {
		tr.members[n] = &member{skew: time.Duration(n) * p.Skew}
		tr.start(tr.members[n])
	}
	return tr
}

func (tr *trial) truth() time.Time { return tr.began.Add(time.Duration(tr.ran.Load())) }

func (tr *trial) pass(d time.Duration) { tr.ran.Add(int64(d)) }

// start starts the instance. An earlier process of it does nothing more.
func (tr *trial) start(m *member) {
	if m.Gate != nil {
		m.store.kill()
		require.NoError(tr, m.Close(context.Background()))
	}
	m.store = &mortalStore{Store: tr.store, tr: tr, left: -1}
	m.Gate = gate.New(tr.Rules.service(tr, tr.service), gate.Options{
		Store: m.store, Bus: &mortalBus{localbus.New(topic, deadTopic), m.store}, Log: slog.New(slog.DiscardHandler),
		Clock: clock.New(clock.Options{
			Wall: func() time.Time { return tr.truth().Add(m.skew) },
			Mono: func() time.Duration { return time.Duration(tr.ran.Load()) },
		}),
	})
}

// idle waits for what the instances do in the background.
func (tr *trial) idle() {
	for _, m := range tr.members {
		m.Idle()
	}
}

// post sends a request to the instance.
func (tr *trial) post(m *member, posts []post) {
	in := make([]gate.Incoming, len(posts))
	for i, p := range posts {
		at := tr.truth().Add(p.At).Format(time.RFC3339)
		in[i] = gate.Incoming{EventKey: p.Endpoint, Meta: event.Meta{Method: "POST"},
			Content: fmt.Appendf(nil, `{"order":%q,"value":%q,"at":%q}`, p.Order, p.Value, at)}
		if p.Name > 0 {
			in[i].IdempotencyKey = fmt.Sprint(p.Name)
		}
	}
	out, err := m.Ingest(context.Background(), in...)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err != nil {
		require.True(tr, m.store.died(), "%v", err)
		return
	}
	for _, r := range out.Receipts {
		require.NoError(tr, r.Err)
		if r.Left == "" {
			tr.acked[r.ID] = true
		}
	}
}

// run carries out the plan, and then lets all windows end.
func (tr *trial) run() {
	for _, s := range tr.Steps {
		tr.step(s)
		tr.idle()
	}
	tr.drain()
}

func (tr *trial) step(s step) {
	ctx, m := context.Background(), tr.members[s.By]
	alive := func(err error) { require.True(tr, err == nil || m.store.died(), "%s: %v", s.Do, err) }
	key := &s.Key
	if !tr.Rules.Correlated {
		key = nil
	}
	switch s.Do {
	case "post":
		tr.post(m, s.Posts)
	case "race":
		var both sync.WaitGroup
		both.Go(func() { tr.post(tr.members[0], s.Posts) })
		both.Go(func() { tr.post(tr.members[1], s.Other) })
		both.Wait()
	case "pass":
		tr.pass(s.For)
	case "close":
		alive(m.CloseDue(ctx))
	case "sweep":
		_, err := m.Sweep(ctx)
		alive(err)
	case "bus":
		tr.mu.Lock()
		tr.busAway = !tr.busAway
		tr.mu.Unlock()
	case "trigger":
		_, err := m.Trigger(ctx, key)
		alive(err)
	case "reset":
		tr.resets = true
		_, err := m.Reset(ctx, s.Endpoint, key)
		tr.resets = false
		alive(err)
	case "die":
		tr.deaths = true
		m.store.dieAfter(s.Calls, s.Lost)
	case "restart":
		tr.deaths = true
		tr.start(m)
	}
}

// drain lets time pass until nothing waits.
func (tr *trial) drain() {
	tr.busAway = false
	for _, m := range tr.members {
		if m.store.died() {
			tr.start(m)
		}
		m.store.dieAfter(-1, false)
	}
	ctx := context.Background()
	left := 0
	for range 100 {
		tr.pass(time.Minute)
		for _, m := range tr.members {
			require.NoError(tr, m.CloseDue(ctx))
			_, err := m.Sweep(ctx)
			require.NoError(tr, err)
		}
		tr.idle()
		backlog, _, err := tr.store.Backlog(ctx, tr.service)
		require.NoError(tr, err)
		left = backlog
		for _, key := range []string{"a", "b", "c"} {
			n, err := tr.store.CountWaiting(ctx, store.Endpoint{Service: tr.service, Key: key}, 0)
			require.NoError(tr, err)
			left += n
		}
		if left == 0 {
			return
		}
	}
	require.Zero(tr, left, "events or messages still wait after %v", time.Duration(tr.ran.Load()))
}

func (tr *trial) close() {
	for _, m := range tr.members {
		require.NoError(tr, m.Close(context.Background()))
	}
}

var errDead = errors.New("the process is dead")

// mortalBus is an instance's connection to the bus.
type mortalBus struct {
	bus.Bus
	store *mortalStore
}

func (b *mortalBus) Publish(_ context.Context, topic string, m bus.Message) (string, error) {
	if b.store.died() {
		return "", errDead
	}
	tr := b.store.tr
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.busAway {
		return "", errors.New("away")
	}
	id := m.Attributes["eventID"]
	tr.sent[id] = append(tr.sent[id], topic)
	return "1", nil
}

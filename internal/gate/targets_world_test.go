package gate_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// scene is a service with a topic "bus", an endpoint "hook" and a sync "load", and what they
// got. One event completes a window.
type scene struct {
	require.TestingT
	cfg      config.Service
	store    store.Store
	began    time.Time
	ran      atomic.Int64 // time since the scene began
	mu       sync.Mutex
	got      map[string]map[string]int  // by target and eventID
	recorded map[string]map[string]bool // deliveries that the store knows of
	fails    map[string]error           // by target
	holds    map[string]chan struct{}   // by target: each attempt waits for it
	log      slog.Handler
}

func newScene(t require.TestingT, st store.Store, service string) *scene {
	cfg, err := config.Parse(fmt.Appendf(nil, `{"serviceName":%q,"trigger":{"type":"window","observationPeriod":600},"endpoints":[{"eventKey":"a"}],
		"targets":[{"name":"bus","pubsub":{"topic":%q}},{"name":"hook","http":{"url":"https://a.example/"}},{"name":"load","sync":{"id":"load"}}]}`, service, topic))
	require.NoError(t, err)
	s := &scene{TestingT: t, cfg: cfg.Services[0], store: st, began: time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC), log: slog.DiscardHandler}
	s.got, s.recorded, s.fails, s.holds = map[string]map[string]int{}, map[string]map[string]bool{}, map[string]error{}, map[string]chan struct{}{}
	for _, name := range []string{"bus", "hook", "load"} {
		s.got[name], s.recorded[name] = map[string]int{}, map[string]bool{}
	}
	return s
}

// scenes runs a test on each driver.
func scenes(t *testing.T, test func(t *testing.T, s *scene)) {
	drivertest.Each(t, func(t *testing.T, st drivertest.Store) { test(t, newScene(t, st, "s")) })
}

func (s *scene) pass(d time.Duration) { s.ran.Add(int64(d)) }

func (s *scene) fail(name string, err error) { s.mu.Lock(); s.fails[name] = err; s.mu.Unlock() }

func (s *scene) count(name, eventID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[name][eventID]
}

func (s *scene) states(eventID string) (store.State, map[string]store.Target) {
	c, err := s.store.ClaimByEventID(context.Background(), s.cfg.ServiceName, eventID)
	require.NoError(s, err)
	states := map[string]store.Target{}
	for _, t := range c.Targets {
		states[t.Name] = t
	}
	return c.State, states
}

// process is an instance of the service. After it died, none of its calls does anything.
type process struct {
	*gate.Gate
	s     *scene
	store store.Store
	left  atomic.Int64 // calls of the store that write, until it dies; negative: it lives
	dead  atomic.Bool
}

func (s *scene) process() *process { return s.processOf(s.cfg) }

// processOf returns an instance with a configuration of its own.
func (s *scene) processOf(cfg config.Service) *process {
	p := &process{s: s}
	p.left.Store(-1)
	p.store = &watchedStore{s.store, p}
	senders := map[string]target.Sender{"hook": fakeSender{p, "hook"}, "load": fakeSender{p, "load"}}
	p.Gate = gate.New(cfg, gate.Options{
		Store: p.store, Bus: &sceneBus{localbus.New(topic), fakeSender{p, "bus"}}, Log: slog.New(s.log), Senders: senders, BackgroundCPU: true,
		Clock: clock.New(clock.Options{Wall: func() time.Time { return s.began.Add(time.Duration(s.ran.Load())) }, Mono: func() time.Duration { return time.Duration(s.ran.Load()) }}),
	})
	return p
}

// send sends an event and returns the eventID of its message. It is "" if the process died.
func (p *process) send() string {
	out, err := p.Ingest(context.Background(), gate.Incoming{EventKey: "a", Meta: event.Meta{Method: "POST"}, Content: []byte("x")})
	if err != nil {
		require.True(p.s, p.dead.Load(), "%v", err)
	}
	return out.Triggered
}

func (p *process) sweep() {
	_, err := p.Sweep(context.Background())
	if err != nil {
		require.True(p.s, p.dead.Load(), "%v", err)
	}
}

// dies reports whether the process is dead at this call.
func (p *process) dies() bool {
	if p.left.Load() >= 0 && p.left.Add(-1) < 0 {
		p.dead.Store(true)
	}
	return p.dead.Load()
}

// watchedStore is a process's connection to the store.
type watchedStore struct {
	store.Store
	p *process
}

// Now is the scene's time, as the processes' clocks are.
func (s *watchedStore) Now(context.Context) (time.Time, bool, error) {
	return s.p.s.began.Add(time.Duration(s.p.s.ran.Load())), true, nil
}

func (s *watchedStore) Claim(ctx context.Context, c store.Claim, taken []store.Taken) error {
	if s.p.dies() {
		return errDead
	}
	return s.Store.Claim(ctx, c, taken)
}

func (s *watchedStore) Lease(ctx context.Context, service, id string, attempts int, until time.Time) error {
	if s.p.dies() {
		return errDead
	}
	return s.Store.Lease(ctx, service, id, attempts, until)
}

func (s *watchedStore) Settle(ctx context.Context, service, id string, o store.Outcome) error {
	if s.p.dies() {
		return errDead
	}
	err := s.Store.Settle(ctx, service, id, o)
	if err == nil {
		s.p.s.mu.Lock()
		defer s.p.s.mu.Unlock()
		for _, t := range o.Targets {
			if t.Delivered() {
				s.p.s.recorded[t.Name][id] = true
			}
		}
	}
	return err
}

// fakeSender is a target as a process reaches it.
type fakeSender struct {
	p    *process
	name string
}

func (f fakeSender) Send(ctx context.Context, m target.Message) error {
	s := f.p.s
	s.mu.Lock()
	err, hold := s.fails[f.name], s.holds[f.name]
	require.False(s, s.recorded[f.name][m.Attributes["claimID"]], "%s gets a message again after that was recorded", f.name)
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return &target.Failure{Message: "slow", Unanswered: true}
		}
	}
	if err != nil {
		return err
	}
	if f.p.dies() {
		return errDead
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got[f.name][m.Attributes["eventID"]]++
	return nil
}

type sceneBus struct {
	bus.Bus
	send fakeSender
}

func (b *sceneBus) Publish(ctx context.Context, _ string, m bus.Message) (string, error) {
	return "", b.send.Send(ctx, target.Message{ID: m.Attributes["eventID"], Data: m.Data, Attributes: m.Attributes})
}

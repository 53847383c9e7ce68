package gate_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// steppedStore calls do once, before one of an instance's calls of the store.
type steppedStore struct {
	store.Store
	calls atomic.Int64 // until do is called
	do    func()
}

func (s *steppedStore) step() {
	if s.calls.Add(-1) == 0 {
		s.do()
	}
}

func (s *steppedStore) Pending(ctx context.Context, ep store.Endpoint, since time.Time, limit int) ([]store.Pointer, error) {
	s.step()
	return s.Store.Pending(ctx, ep, since, limit)
}

func (s *steppedStore) Summarize(ctx context.Context, ep store.Endpoint, since time.Time) (store.Summary, error) {
	s.step()
	return s.Store.Summarize(ctx, ep, since)
}

func (s *steppedStore) WaitingOf(ctx context.Context, ep store.Endpoint, key string, in store.Span, slots bool, limit int) ([]store.Waiting, error) {
	s.step()
	return s.Store.WaitingOf(ctx, ep, key, in, slots, limit)
}

func (s *steppedStore) Gatherings(ctx context.Context, service string, limit int) ([]store.ClaimInfo, error) {
	s.step()
	return s.Store.Gatherings(ctx, service, limit)
}

func (s *steppedStore) Gather(ctx context.Context, c store.Claim, p store.Part) error {
	s.step()
	return s.Store.Gather(ctx, c, p)
}

// Wherever an instance is on its way to a claim in parts, another one may begin to claim the
// same window. Each message that is called complete has what its window needs then, and no
// event is in two.
func TestTwoInstancesBeginAClaimInPartsOfOneWindow(t *testing.T) {
	t.Parallel()
	for name, trigger := range map[string]string{
		"plain":    "",
		"by key":   `,"condition":"a && b"`,
		"anchored": `,"window":"anchored"`,
	} {
		for parts := range 3 { // that the other instance makes meanwhile
			t.Run(fmt.Sprintf("%s, after %d parts", name, parts+1), func(t *testing.T) {
				t.Parallel()
				for call := int64(1); beginsMeanwhile(t, drivertest.SQLite(t), trigger, call, parts+1); call++ {
				}
			})
		}
	}
}

// beginsMeanwhile lets one instance begin to claim a window, and another one make so many parts
// of it before the given call of the first. It reports whether there was such a call.
func beginsMeanwhile(t *testing.T, st drivertest.Store, trigger string, call int64, parts int) bool {
	ctx := context.Background()
	p := newPair(t, st, trigger, window.All, window.All, 6)
	defer func() { p.close(0); p.close(1) }()
	p.conn[0].left = 0 // the window is complete, and nobody could claim it
	p.send(0, "a", 19)
	p.send(0, "b", 1)
	p.idle()
	p.start(0)
	stepped := &steppedStore{Store: p.conn[0].Store, do: func() {
		p.conn[1].left = parts
		_, _ = p.one[1].Check(ctx, nil)
		p.one[1].Idle()
	}}
	stepped.calls.Store(call)
	p.conn[0].Store = stepped
	_, err := p.one[0].Check(ctx, nil)
	require.NoError(t, err)
	p.idle()
	for n := range p.one { // nobody dies any more
		p.start(n)
		p.ran += time.Minute
		_, err := p.one[n].Sweep(ctx)
		require.NoError(t, err)
		p.idle()
	}
	seen := map[string]bool{}
	for _, id := range p.bus.ids() {
		m := p.read(id)
		require.GreaterOrEqual(t, m.Events["a"].NumberOfEvents, 3, "call %d", call)
		require.GreaterOrEqual(t, m.Events["b"].NumberOfEvents, 1, "call %d: a message without what completes its window", call)
		for _, of := range m.Events {
			for _, e := range of.Events {
				require.False(t, seen[e.ID], "call %d: an event is in two messages", call)
				seen[e.ID] = true
			}
		}
	}
	require.Len(t, p.bus.ids(), 1, "call %d", call)
	require.Len(t, seen, 20, "call %d", call)
	return stepped.calls.Load() <= 0
}

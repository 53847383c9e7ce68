package gate_test

import (
	"context"
	"fmt"
	"strings"
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

// Wherever an instance is on its way to a claim of a window, another one may begin to claim it in
// parts. The window becomes one message, with all its events.
func TestTwoInstancesBeginToClaimOneWindow(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]overlap{
		"plain":                 {"", 19, 1},
		"plain, small":          {"", 6, 1},
		"by key":                {`,"condition":"a && b"`, 19, 1},
		"by key, small":         {`,"condition":"a && b"`, 6, 1},
		"anchored":              {`,"window":"anchored"`, 19, 1},
		"closed, one endpoint":  {`,"window":"anchored","onClose":"partial"`, 0, 8},
		"closed, many of it":    {`,"window":"anchored","onClose":"partial"`, 0, 25},
		"closed, two endpoints": {`,"window":"anchored","onClose":"partial"`, 2, 6},
	} {
		for parts := range 3 {
			t.Run(fmt.Sprintf("%s, %d parts", name, parts+1), func(t *testing.T) {
				t.Parallel()
				st := drivertest.SQLite(t)
				for call := int64(1); o.at(t, st, call, parts+1); call++ {
				}
			})
		}
	}
}

// overlap is a window that two instances claim: its rules, and its events of two endpoints.
type overlap struct {
	trigger string
	a, b    int
}

// at lets one instance claim the window, and another one make so many parts of its claim before
// the given call of the first. It reports whether there was such a call.
func (o overlap) at(t *testing.T, st drivertest.Store, call int64, parts int) bool {
	ctx := context.Background()
	p := newPair(t, st, o.trigger, window.All, window.All, 6)
	defer func() { p.close(0); p.close(1) }()
	p.conn[0].left = 0 // nobody can claim the window yet
	for key, n := range map[string]int{"a": o.a, "b": o.b} {
		if n > 0 {
			p.send(0, key, n)
		}
	}
	p.idle()
	p.start(0)
	if strings.Contains(o.trigger, "partial") {
		p.ran += time.Hour
	}
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
	p.settles(ctx)
	require.Len(t, p.bus.ids(), 1, "call %d", call)
	m := p.read(p.bus.ids()[0])
	require.Equal(t, o.a, m.Events["a"].NumberOfEvents, "call %d", call)
	require.Equal(t, o.b, m.Events["b"].NumberOfEvents, "call %d", call)
	return stepped.calls.Load() <= 0
}

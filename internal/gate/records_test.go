package gate_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/store"
)

// expiringStore has lost the content of one event.
type expiringStore struct {
	store.Store
	lost string
}

func (s *expiringStore) Events(ctx context.Context, service string, members []store.Member) ([]event.Event, error) {
	for _, m := range members {
		if m.ID == s.lost {
			return nil, store.ErrNotFound
		}
	}
	return s.Store.Events(ctx, service, members)
}

// The records of a service are those of the events that were acknowledged, on both stores.
// One that expires while it is listed is left out.
func TestRecords(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		i := w.instance(0)
		for n := range 5 {
			w.ran += time.Second
			i.send([]string{"a", "b"}[n%2], "")
		}
		list := func(q gate.RecordQuery) (ids []string) {
			_, err := i.Records(t.Context(), q, func(records []event.Record) error {
				for _, r := range records {
					ids = append(ids, r.ID)
				}
				return nil
			})
			require.NoError(w, err)
			return ids
		}
		var want []string
		for _, e := range w.events {
			want = append(want, e.receipt.ID)
		}
		require.Equal(w, want, list(gate.RecordQuery{}))
		require.Equal(w, []string{want[1], want[3]}, list(gate.RecordQuery{EventKey: "b"}))
		require.Equal(w, want[1:3], list(gate.RecordQuery{Received: store.Span{From: w.events[1].receipt.ReceivedAt, To: w.events[3].receipt.ReceivedAt}}))

		i.restart() // nothing is in memory
		w.store.Store = &expiringStore{w.store.Store, want[2]}
		require.Equal(w, append(append([]string{}, want[:2]...), want[3:]...), list(gate.RecordQuery{}))
	})
}

package gate_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
)

// leaving is the context of a caller that leaves after it was asked for a while.
type leaving struct {
	context.Context
	asked atomic.Int64
}

func (l *leaving) Err() error {
	if l.asked.Add(1) > 10 {
		return context.Canceled
	}
	return l.Context.Err()
}

// Expressions look at no further events of a batch once its caller has left.
func TestABatchWhoseCallerLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configured(`"observationPeriod":60`, `{"eventKey":"a","filter":"event.text == 'never'"}`, ``)
	i := w.instance(0)
	batch := make([]gate.Incoming, 1000)
	for n := range batch {
		batch[n] = gate.Incoming{EventKey: "a", Meta: event.Meta{Method: "POST"}, Content: []byte("x")}
	}
	ctx := &leaving{Context: t.Context()}
	_, err := i.Ingest(ctx, batch...)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.Less(t, ctx.asked.Load(), int64(20))
	out, err := i.Ingest(t.Context(), batch...)
	require.NoError(t, err)
	require.Equal(t, gate.Filtered, out.Receipts[999].Left)
}

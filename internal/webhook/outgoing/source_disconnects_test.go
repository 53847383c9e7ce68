package outgoing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// leaving is a store that ends the request as soon as something is committed.
type leaving struct {
	store.Docs
	leave context.CancelFunc
}

func (l leaving) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	defer l.leave()
	return l.Docs.Commit(ctx, writes)
}

// The targets get their delivery even if the source hangs up: it would send the webhook
// again, but as a duplicate.
func TestASourceThatHangsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(newReceiver(t), "l")
	ctx, cancel := context.WithCancel(t.Context())
	s := w.service(func(o *outgoing.Options) { o.Docs = leaving{w.store, cancel} })
	_, err := s.Receive(ctx, "l", "msg_1", []byte(tasks))
	require.NoError(t, err)
	require.EqualValues(t, 1, w.targets()[0].Version)
}

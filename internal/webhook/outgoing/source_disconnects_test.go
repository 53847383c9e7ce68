package outgoing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// disconnecting is a store that ends the request as soon as something is committed.
type disconnecting struct {
	store.Docs
	leave context.CancelFunc
}

func (d disconnecting) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	defer d.leave()
	return d.Docs.Commit(ctx, writes)
}

// The targets get their delivery even if the source disconnects: it would send the webhook
// again, but as a duplicate.
func TestTheSourceDisconnects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(newReceiver(t), "l")
	ctx, cancel := context.WithCancel(t.Context())
	s := w.service(func(o *outgoing.Options) { o.Docs = disconnecting{w.store, cancel} })
	_, err := s.Receive(ctx, "l", "msg_1", []byte(tasks))
	require.NoError(t, err)
	require.EqualValues(t, 1, w.targets()[0].Version)
}

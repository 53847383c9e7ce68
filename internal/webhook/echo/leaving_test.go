package echo_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/echo"
)

// leaving is a store whose caller's caller hangs up as soon as something is committed.
type leaving struct {
	store.Docs
	leave context.CancelFunc
}

func (l leaving) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	defer l.leave()
	return l.Docs.Commit(ctx, writes)
}

// A source that does not wait for the answer, and whose webhook is a duplicate when
// it comes again, is passed on all the same.
func TestASourceThatHangsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(newReceiver(t), "l")
	ctx, cancel := context.WithCancel(t.Context())
	told := false
	s := w.service(func(o *echo.Options) {
		o.Docs = leaving{w.store, cancel}
		o.Changed = func(ctx context.Context, _ string, _ []echo.Session) { told = ctx.Err() == nil }
	})
	_, err := s.Receive(ctx, "l", "msg_1", []byte(tasks))
	require.NoError(t, err)
	require.True(t, told)
	require.EqualValues(t, 1, w.targets()[0].Version)
}

package localqueue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
	"github.com/headgate/headgate/live/localqueue"
	"github.com/headgate/headgate/live/queuetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t testing.TB) (one, two live.Queue) {
		q := localqueue.New()
		t.Cleanup(func() { require.NoError(t, q.Close()) })
		return q, q
	})
}

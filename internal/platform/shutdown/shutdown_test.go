package shutdown_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/shutdown"
)

func TestWait(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	require.NoError(t, shutdown.Wait(t.Context(), &group), "an empty group is done")

	end := make(chan struct{})
	group.Go(func() { <-end })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, shutdown.Wait(ctx, &group), context.Canceled)
	close(end)
	require.NoError(t, shutdown.Wait(t.Context(), &group))
}

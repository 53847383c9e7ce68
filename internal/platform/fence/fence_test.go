package fence_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fence"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	require.NoError(t, fence.Allow(t.Context()), "nothing fences a context by itself")

	lost := errors.New("lost")
	var now error
	ctx := fence.With(t.Context(), func(context.Context) error { return now })
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	require.NoError(t, fence.Allow(inner))
	now = lost
	err := fence.Allow(inner)
	require.ErrorIs(t, err, lost)
	require.True(t, fence.Refused(fmt.Errorf("push: %w", err)))
	require.False(t, fence.Refused(lost))
	now = nil
	require.NoError(t, fence.Allow(inner), "the check is called for each write")
}

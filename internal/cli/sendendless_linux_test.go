package cli

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What has no end does not take all memory, and what does not begin is left when the person
// asks for it.
func TestSendOfFilesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	status, _, stderr := headgate(t, nil, "send", "a", "-d", "@/dev/zero", "--url", "http://127.0.0.1:1")
	require.Equal(t, exitError, status)
	require.Contains(t, stderr, "the event is too large: no gate takes more than 8388608 bytes")

	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&Process{}).content(ctx, "@"+pipe, true)
	require.ErrorIs(t, err, context.Canceled)
	// The reader that was left behind ends with its pipe.
	fd, err := unix.Open(pipe, unix.O_WRONLY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
}

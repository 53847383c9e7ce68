package emulator

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
)

// LeavesNothing runs a function while the variable of an emulator names a server whose every call
// fails, and requires that afterwards neither a connection nor a goroutine is left. The test that
// calls it is not parallel: the environment and the goroutines are those of the process.
func LeavesNothing(t *testing.T, variable string, use func()) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Setenv(variable, l.Addr().String())
	use()
	server.GracefulStop() // returns when the clients have ended their connections
	require.NoError(t, <-served)
	goleak.VerifyNone(t, before)
}

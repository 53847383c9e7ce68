package firestorestore

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
)

// The server implements nothing, so that Writable fails, but only after a call.
func TestCloseLeavesNoConnection(t *testing.T) { // not parallel: it sets the environment, and counts goroutines
	before := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Setenv(emulatorVar, l.Addr().String())

	s, err := Open(t.Context(), Options{Project: "test"})
	require.NoError(t, err)
	require.Error(t, s.Writable(t.Context()))
	require.NoError(t, s.Close())
	server.GracefulStop() // returns when the clients have ended their connections
	require.NoError(t, <-served)
	goleak.VerifyNone(t, before)
}

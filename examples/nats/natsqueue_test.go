package natsqueue_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	natsqueue "github.com/headgate/headgate/examples/nats"
	"github.com/headgate/headgate/live"
	"github.com/headgate/headgate/live/queuetest"
)

// serve starts a NATS server for the test.
func serve(t testing.TB) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(30*time.Second))
	return s
}

// open returns a queue with a connection of its own.
func open(t testing.TB, s *server.Server) *natsqueue.Queue {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL())
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return natsqueue.New(conn, "live.changes")
}

func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t testing.TB) (one, two live.Queue) {
		s := serve(t)
		return open(t, s), open(t, s)
	})
}

// Receive returns an error when the server is gone, and so does Publish.
func TestTheServerIsGone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	q := open(t, s)
	over := make(chan error, 1)
	err := make(chan error, 1)
	go func() {
		err <- q.Receive(t.Context(), func() { over <- nil }, func([]byte) {})
	}()
	<-over
	s.Shutdown()
	require.ErrorContains(t, <-err, "disconnected")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.Error(t, q.Publish(ctx, []byte("x")))
}

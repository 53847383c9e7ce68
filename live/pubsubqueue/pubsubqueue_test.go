package pubsubqueue_test

import (
	"os"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/headgate/headgate/live"
	"github.com/headgate/headgate/live/pubsubqueue"
	"github.com/headgate/headgate/live/queuetest"
)

// open returns a queue on the server at addr. Its topic is the test's own.
func open(t testing.TB, addr string) live.Queue {
	t.Helper()
	q, err := pubsubqueue.Open(t.Context(), pubsubqueue.Options{
		Project: "test", CreateTopic: true, Topic: "projects/test/topics/" + strings.ReplaceAll(t.Name(), "/", "-"),
		ClientOptions: []option.ClientOption{
			option.WithEndpoint(addr), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t testing.TB) (one, two live.Queue) {
		srv := pstest.NewServer()
		t.Cleanup(func() { _ = srv.Close() })
		return open(t, srv.Addr), open(t, srv.Addr)
	})
}

func TestConformanceOnTheEmulator(t *testing.T) {
	t.Parallel()
	addr := os.Getenv("PUBSUB_EMULATOR_HOST")
	if addr == "" {
		require.Empty(t, os.Getenv("HEADGATE_REQUIRE_EMULATORS"), "PUBSUB_EMULATOR_HOST is not set")
		t.Skip("PUBSUB_EMULATOR_HOST is not set")
	}
	queuetest.Run(t, func(t testing.TB) (one, two live.Queue) { return open(t, addr), open(t, addr) })
}

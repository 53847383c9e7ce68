package pubsubbus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/bustest"
)

const project = "test"

// connect opens a bus on the server at addr.
func connect(t testing.TB, addr string) *Bus {
	t.Helper()
	b, err := Open(t.Context(), Options{Project: project, CreateTopics: true, ClientOptions: []option.ClientOption{
		option.WithEndpoint(addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, b.Close())
		require.NoError(t, b.Close())
	})
	return b
}

// fake is pstest behind a server that takes messages of Pub/Sub's size, and can be told to
// fail.
type fake struct {
	*pstest.Server
	addr  string
	calls atomic.Int64
	fail  atomic.Pointer[func(method string) error]
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{Server: pstest.NewServer()}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(20<<20), grpc.UnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			f.calls.Add(1)
			if fail := f.fail.Load(); fail != nil {
				if err := (*fail)(info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]); err != nil {
					return nil, err
				}
			}
			return next(ctx, req)
		}))
	pubsubpb.RegisterPublisherServer(srv, &f.GServer)
	pubsubpb.RegisterSubscriberServer(srv, &f.GServer)
	go func() { _ = srv.Serve(l) }()
	f.addr = l.Addr().String()
	t.Cleanup(func() {
		srv.Stop()
		_ = f.Close()
	})
	return f
}

func (f *fake) failing(method string, code codes.Code, text string) {
	fail := func(m string) error {
		if m == method {
			return status.Error(code, text)
		}
		return nil
	}
	f.fail.Store(&fail)
}

func newTopic(t testing.TB, b bus.Bus) string {
	t.Helper()
	topic := fmt.Sprintf("projects/%s/topics/t-%016x", project, rand.Uint64())
	require.NoError(t, b.(*Bus).Ensure(t.Context(), topic))
	require.NoError(t, b.(*Bus).Ensure(t.Context(), topic), "the topic exists already")
	return topic
}

func openFake(t testing.TB) bus.Bus { return connect(t, newFake(t).addr) }

func openEmulator(t testing.TB) bus.Bus {
	addr := os.Getenv("PUBSUB_EMULATOR_HOST")
	if addr == "" {
		if os.Getenv("HEADGATE_REQUIRE_EMULATORS") != "" {
			t.Fatal("PUBSUB_EMULATOR_HOST is not set")
		}
		t.Skip("PUBSUB_EMULATOR_HOST is not set")
	}
	return connect(t, addr)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	bustest.Run(t, openFake, newTopic)
}

func TestConformanceOnTheEmulator(t *testing.T) {
	t.Parallel()
	openEmulator(t) // skips once, and not in every subtest
	bustest.Run(t, openEmulator, newTopic)
}

func BenchmarkFake(b *testing.B)     { bustest.Benchmark(b, openFake, newTopic) }
func BenchmarkEmulator(b *testing.B) { bustest.Benchmark(b, openEmulator, newTopic) }

// both runs the test on the fake and on the emulator.
func both(t *testing.T, test func(t *testing.T, b *Bus)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB) bus.Bus{"fake": openFake, "emulator": openEmulator} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t).(*Bus))
		})
	}
}

func TestATopicThatIsCreatedLater(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b *Bus) {
		topic := fmt.Sprintf("projects/%s/topics/late-%016x", project, rand.Uint64())
		for range 3 {
			_, err := b.Publish(t.Context(), topic, bus.Message{Data: []byte("x")})
			require.ErrorIs(t, err, bus.ErrNoTopic)
		}
		require.NoError(t, (&Bus{client: b.client}).Ensure(t.Context(), topic))
		require.ErrorIs(t, b.Ping(t.Context(), topic), bus.ErrNoTopic, "Ensure without CreateTopics creates none")
		require.NoError(t, b.Ensure(t.Context(), topic))
		_, err := b.Publish(t.Context(), topic, bus.Message{Data: []byte("x")})
		require.NoError(t, err)
	})
}

// subscribe returns the subscription as Pub/Sub has it while Receive runs.
func subscribe(t *testing.T, b *Bus, s bus.Subscription) *pubsubpb.Subscription {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var got *pubsubpb.Subscription
	var err error
	require.NoError(t, b.Receive(ctx, s, func() {
		got, err = b.client.SubscriptionAdminClient.GetSubscription(t.Context(), get(s))
		cancel()
	}, func(context.Context, bus.Message) error { return nil }))
	require.NoError(t, err)
	return got
}

func get(s bus.Subscription) *pubsubpb.GetSubscriptionRequest {
	return &pubsubpb.GetSubscriptionRequest{Subscription: "projects/" + project + "/subscriptions/" + s.Name}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, b *Bus) {
		s := bus.Subscription{Topic: newTopic(t, b), Name: fmt.Sprintf("e-%016x", rand.Uint64()), Ephemeral: true}
		got := subscribe(t, b, s)
		require.Equal(t, 24*time.Hour, got.GetExpirationPolicy().GetTtl().AsDuration())
		_, err := b.client.SubscriptionAdminClient.GetSubscription(t.Context(), get(s))
		require.Equal(t, codes.NotFound, status.Code(err), "the subscription is deleted")

		s = bus.Subscription{Topic: s.Topic, Name: fmt.Sprintf("n-%016x", rand.Uint64())}
		got = subscribe(t, b, s)
		require.Nil(t, got.GetExpirationPolicy().GetTtl())
		_, err = b.client.SubscriptionAdminClient.GetSubscription(t.Context(), get(s))
		require.NoError(t, err)

		s.Topic = newTopic(t, b)
		err = b.Receive(t.Context(), s, nil, nil)
		require.ErrorContains(t, err, "belongs to another topic, projects/")
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code codes.Code
		text string
		is   error
	}{
		"no topic":        {codes.NotFound, "Resource not found (resource=t).", bus.ErrNoTopic},
		"request size":    {codes.InvalidArgument, "The value for data is too large.", bus.ErrTooLarge},
		"payload size":    {codes.InvalidArgument, "Request payload size exceeds the limit: 10485760 bytes.", bus.ErrTooLarge},
		"gRPC's limit":    {codes.ResourceExhausted, "grpc: received message larger than max (10 vs. 5)", bus.ErrTooLarge},
		"another mistake": {codes.InvalidArgument, "You have passed an invalid argument.", nil},
		"not permitted":   {codes.PermissionDenied, "User not authorized.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			b := connect(t, f.addr)
			topic := newTopic(t, b)
			before := f.calls.Load()
			f.failing("Publish", c.code, c.text)
			_, err := b.Publish(t.Context(), topic, bus.Message{Data: []byte("x")})
			require.ErrorContains(t, err, c.text)
			for _, e := range []error{bus.ErrNoTopic, bus.ErrTooLarge} {
				if e == c.is {
					require.ErrorIs(t, err, e)
				} else {
					require.NotErrorIs(t, err, e)
				}
			}
			require.Equal(t, before+1, f.calls.Load(), "a permanent error is not retried")
			f.fail.Store(nil)
			_, err = b.Publish(t.Context(), topic, bus.Message{Data: []byte("x")})
			require.NoError(t, err)
		})
	}
}

func TestPublishRetries(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := connect(t, f.addr)
	topic := newTopic(t, b)
	var n atomic.Int64
	fail := func(string) error {
		if n.Add(1) < 3 {
			return status.Error(codes.Unavailable, "try again")
		}
		return nil
	}
	f.fail.Store(&fail)
	_, err := b.Publish(t.Context(), topic, bus.Message{Data: []byte("x")})
	require.NoError(t, err)
	require.EqualValues(t, 3, n.Load())

	f.failing("Publish", codes.Unavailable, "down")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = b.Publish(ctx, topic, bus.Message{Data: []byte("x")})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, bus.ErrNoTopic)
}

func TestAttributesCountForSize(t *testing.T) {
	t.Parallel()
	b := openFake(t)
	_, err := b.Publish(t.Context(), newTopic(t, b), bus.Message{
		Data: make([]byte, messageLimit), Attributes: map[string]string{"k": strings.Repeat("v", 100_000)},
	})
	require.ErrorIs(t, err, bus.ErrTooLarge)
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	b := connect(t, f.addr)
	topic := newTopic(t, b)
	f.failing("GetTopic", codes.PermissionDenied, "no")
	require.NoError(t, b.Ping(t.Context(), topic), "the publisher may not read topics, but publish")

	s := bus.Subscription{Topic: topic, Name: "named"}
	subscribe(t, b, s)
	f.failing("CreateSubscription", codes.PermissionDenied, "no")
	subscribe(t, b, s) // the subscription exists already
	require.Error(t, b.Receive(t.Context(), bus.Subscription{Topic: topic, Name: "ephemeral", Ephemeral: true}, nil, nil))
	require.Error(t, b.Receive(t.Context(), bus.Subscription{Topic: topic, Name: "missing"}, nil, nil))
}

func TestOpenNeedsAProject(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Options{})
	require.Error(t, err)
}

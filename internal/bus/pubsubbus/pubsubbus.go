// Package pubsubbus is the bus on Google Cloud Pub/Sub. If PUBSUB_EMULATOR_HOST is set, it
// uses an emulator.
//
// Publish sends each message at once, as a request of its own. It does not use the client's
// publisher, which collects messages for batches. With that, the caller's context would
// neither end a request nor bound its retries.
package pubsubbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/headgate/headgate/internal/bus"
)

const (
	// messageLimit bounds the data of a message. Pub/Sub takes requests of maxRequestBytes;
	// the difference is for attributes and framing.
	messageLimit    = 9_900_000
	maxRequestBytes = 10_000_000
	maxSendBytes    = 20 << 20 // more than that, so that gRPC's own limit never decides

	// flowWindow bounds the bytes that Pub/Sub has sent and we have not read. Without a fixed bound,
	// gRPC pings after nearly every answer to find one. A subscription may have maxUnderWay, so
	// this is the largest that gRPC itself would choose.
	flowWindow = 16 << 20

	timeout = 10 * time.Second // for calls whose context has no deadline

	maxHandlers    = 1000
	maxUnderWay    = 64 << 20 // bytes of messages that handlers hold
	ephemeralAlive = 24 * time.Hour
)

// Options configure a Bus.
type Options struct {
	Project string // the project of subscriptions; a topic's name contains its own
	// CreateTopics lets Ensure create topics, for emulators and first trials.
	CreateTopics  bool
	ClientOptions []option.ClientOption
}

// Bus is a bus.Bus.
type Bus struct {
	client  *pubsub.Client
	project string
	create  bool
	owed    sync.Map // the names of topics that Ensure could not create
	closing func() error
}

var _ bus.Bus = (*Bus)(nil)

// Open prepares the client. It does not wait for a connection: Ping reports whether Pub/Sub
// answers.
func Open(ctx context.Context, o Options) (*Bus, error) {
	client, err := pubsub.NewClient(ctx, o.Project, append([]option.ClientOption{
		option.WithTelemetryDisabled(), // spans and metrics are ours; the client's go nowhere
		option.WithGRPCDialOption(grpc.WithStaticStreamWindowSize(flowWindow)), option.WithGRPCDialOption(grpc.WithStaticConnWindowSize(flowWindow)),
	}, o.ClientOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("pubsubbus: %w", err)
	}
	return &Bus{client: client, project: o.Project, create: o.CreateTopics, closing: sync.OnceValue(client.Close)}, nil
}

// MaxMessageBytes implements bus.Bus.
func (b *Bus) MaxMessageBytes() int { return messageLimit }

// Close implements bus.Bus. It has nothing to flush, because Publish waits for the answer.
func (b *Bus) Close() error { return b.closing() }

// bounded returns a context with a deadline: that of ctx, or timeout from now.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// retryer retries errors that may be temporary, until the context ends.
type retryer struct{ gax.Retryer }

func (r retryer) Retry(err error) (time.Duration, bool) {
	if tooLarge(err) { // may have the code ResourceExhausted, but a retry cannot help
		return 0, false
	}
	return r.Retryer.Retry(err)
}

var publishOptions = []gax.CallOption{
	gax.WithRetry(func() gax.Retryer {
		return retryer{gax.OnCodes(
			[]codes.Code{codes.Aborted, codes.Internal, codes.ResourceExhausted, codes.Unknown, codes.Unavailable},
			gax.Backoff{Initial: 50 * time.Millisecond, Max: 2 * time.Second, Multiplier: 2},
		)}
	}),
	gax.WithGRPCOptions(grpc.MaxCallSendMsgSize(maxSendBytes)),
}

// Publish implements bus.Bus. It retries for ten seconds, or until ctx's
// deadline if it has one.
func (b *Bus) Publish(ctx context.Context, topic string, m bus.Message) (string, error) {
	req := &pubsubpb.PublishRequest{
		Topic:    topic,
		Messages: []*pubsubpb.PubsubMessage{{Data: m.Data, Attributes: m.Attributes}},
	}
	if len(m.Data) > messageLimit || proto.Size(req) > maxRequestBytes {
		return "", bus.ErrTooLarge
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := b.client.TopicAdminClient.Publish(ctx, req, publishOptions...)
	if err != nil && b.makeUp(ctx, topic, err) {
		resp, err = b.client.TopicAdminClient.Publish(ctx, req, publishOptions...)
	}
	if err != nil {
		return "", failure(ctx, "publish to "+topic, err)
	}
	if len(resp.GetMessageIds()) != 1 {
		return "", fmt.Errorf("pubsubbus: publish to %s: the answer has %d message ids instead of one", topic, len(resp.GetMessageIds()))
	}
	return resp.GetMessageIds()[0], nil
}

// failure wraps err in the error of the contract. If the context has ended, it adds the
// context's error, which gRPC's errors do not wrap.
func failure(ctx context.Context, what string, err error) error {
	switch {
	case status.Code(err) == codes.NotFound:
		return fmt.Errorf("pubsubbus: %s: %w (%w)", what, bus.ErrNoTopic, err)
	case tooLarge(err):
		return fmt.Errorf("pubsubbus: %s: %w (%w)", what, bus.ErrTooLarge, err)
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("pubsubbus: %s: %w (%w)", what, ctx.Err(), err)
	case status.Code(err) == codes.DeadlineExceeded && !errors.Is(err, context.DeadlineExceeded): // gRPC's timer may be ahead of the context's
		return fmt.Errorf("pubsubbus: %s: %w (%w)", what, context.DeadlineExceeded, err)
	}
	return fmt.Errorf("pubsubbus: %s: %w", what, err)
}

// tooLarge reports whether err means that the message is too large. It has to look at the
// text, because other errors have the same codes.
func tooLarge(err error) bool {
	s, ok := status.FromError(err)
	if !ok {
		return false
	}
	text := strings.ToLower(s.Message())
	switch s.Code() {
	case codes.InvalidArgument:
		return strings.Contains(text, "too large") || strings.Contains(text, "size")
	case codes.ResourceExhausted: // gRPC's own limit
		return strings.Contains(text, "message larger than max")
	}
	return false
}

// Ping implements bus.Bus.
func (b *Bus) Ping(ctx context.Context, topic string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := b.client.TopicAdminClient.GetTopic(ctx, &pubsubpb.GetTopicRequest{Topic: topic})
	if b.makeUp(ctx, topic, err) {
		return nil
	}
	if err == nil || status.Code(err) == codes.PermissionDenied { // a publisher need not have the right to read topics
		return nil
	}
	return failure(ctx, "read topic "+topic, err)
}

// Ensure creates the topic if it is missing and Options.CreateTopics is set.
func (b *Bus) Ensure(ctx context.Context, topic string) error {
	if !b.create {
		return nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := b.client.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: topic})
	if err == nil || status.Code(err) == codes.AlreadyExists {
		b.owed.Delete(topic)
		return nil
	}
	b.owed.Store(topic, true)
	return failure(ctx, "create "+topic, err)
}

// makeUp creates a topic that Ensure could not create earlier, for instance because the
// emulator did not answer yet. It reports whether err was that the topic does not exist, and
// the topic exists now. It does not create a topic again that was created and then deleted.
func (b *Bus) makeUp(ctx context.Context, topic string, err error) bool {
	if status.Code(err) != codes.NotFound {
		return false
	}
	_, owed := b.owed.Load(topic)
	return owed && b.Ensure(ctx, topic) == nil
}

// Receive implements bus.Bus.
func (b *Bus) Receive(ctx context.Context, s bus.Subscription, ready func(), handle func(context.Context, bus.Message) error) error {
	name := "projects/" + b.project + "/subscriptions/" + s.Name
	if err := b.subscribe(ctx, name, s); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if s.Ephemeral {
		defer b.remove(ctx, name)
	}
	if ready != nil {
		ready()
	}
	sub := b.client.Subscriber(name)
	sub.ReceiveSettings.MaxOutstandingMessages = maxHandlers
	sub.ReceiveSettings.MaxOutstandingBytes = maxUnderWay
	err := sub.Receive(ctx, func(ctx context.Context, m *pubsub.Message) {
		if handle(ctx, bus.Message{Data: m.Data, Attributes: m.Attributes, ID: m.ID}) != nil {
			m.Nack()
			return
		}
		m.Ack()
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("pubsubbus: receive from %s: %w", name, err)
	}
	return nil
}

// subscribe creates the subscription unless it exists. It fails if a subscription of that
// name belongs to another topic.
func (b *Bus) subscribe(ctx context.Context, name string, s bus.Subscription) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	want := &pubsubpb.Subscription{
		Name: name, Topic: s.Topic,
		AckDeadlineSeconds: 30, // the client extends it while a handler runs
		RetryPolicy: &pubsubpb.RetryPolicy{
			MinimumBackoff: durationpb.New(100 * time.Millisecond),
			MaximumBackoff: durationpb.New(10 * time.Second),
		},
		ExpirationPolicy: &pubsubpb.ExpirationPolicy{}, // empty: never, instead of after 31 idle days
	}
	if s.Ephemeral {
		want.ExpirationPolicy.Ttl = durationpb.New(ephemeralAlive)
		want.MessageRetentionDuration = durationpb.New(10 * time.Minute) // the shortest that Pub/Sub takes
	}
	_, err := b.client.SubscriptionAdminClient.CreateSubscription(ctx, want)
	if status.Code(err) == codes.NotFound && s.Ephemeral && b.create && b.Ensure(ctx, s.Topic) == nil {
		// An emulator that was restarted has lost its topics.
		_, err = b.client.SubscriptionAdminClient.CreateSubscription(ctx, want)
	}
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.PermissionDenied:
		if s.Ephemeral {
			break
		}
		return nil // an operator may have created it; if not, Receive fails
	case codes.AlreadyExists:
		got, err := b.client.SubscriptionAdminClient.GetSubscription(ctx, &pubsubpb.GetSubscriptionRequest{Subscription: name})
		if err == nil && got.GetTopic() != s.Topic {
			// Its topic may also have been deleted. In both cases no message would ever arrive.
			return fmt.Errorf("pubsubbus: subscription %s belongs to another topic, %s", name, got.GetTopic())
		}
		return nil
	}
	return failure(ctx, "subscribe to "+s.Topic, err)
}

// remove deletes an ephemeral subscription. If that fails, the subscription expires later.
func (b *Bus) remove(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	_ = b.client.SubscriptionAdminClient.DeleteSubscription(ctx, &pubsubpb.DeleteSubscriptionRequest{Subscription: name})
}

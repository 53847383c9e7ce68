package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/internal/emulator"
)

// emulated returns an environment for both emulators, with a project, a configuration and
// a service for this test alone.
func emulated(t *testing.T) (env []string, pubsubHost, project string) {
	t.Helper()
	firestore, project := emulator.Firestore(t)
	pubsubHost, _ = emulator.PubSub(t)
	return []string{
		"FIRESTORE_EMULATOR_HOST=" + firestore, "PUBSUB_EMULATOR_HOST=" + pubsubHost,
		"GOOGLE_CLOUD_PROJECT=" + project, "CONFIG=" + service("e2e "+project, project),
	}, pubsubHost, project
}

// consumer is the official client with a subscription of its own.
type consumer struct {
	*pubsub.Client
	topic  string
	census *census

	mu         sync.Mutex
	attributes map[string]map[string]string // by eventID
}

// consume creates a subscription, and the topic if it is missing. It counts the messages
// until the test ends: in c, if that is not nil.
func consume(t *testing.T, host, project string, c *census) *consumer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := dialPubSub(t, host, project)
	if c == nil {
		c = newCensus()
	}
	s := &consumer{Client: client, topic: topicOf(project), census: c, attributes: map[string]map[string]string{}}
	_, err := client.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: s.topic})
	if status.Code(err) != codes.AlreadyExists {
		require.NoError(t, err)
	}
	name := "projects/" + project + "/subscriptions/" + emulator.Project()
	_, err = client.SubscriptionAdminClient.CreateSubscription(ctx, &pubsubpb.Subscription{Name: name, Topic: s.topic, AckDeadlineSeconds: 60})
	require.NoError(t, err)

	receiving, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.Subscriber(name).Receive(receiving, func(_ context.Context, m *pubsub.Message) {
			s.census.add(m.Data)
			s.mu.Lock()
			s.attributes[m.Attributes["eventID"]] = maps.Clone(m.Attributes)
			s.mu.Unlock()
			m.Ack()
		})
	}()
	t.Cleanup(func() {
		stop()
		select {
		case <-done:
		case <-time.After(10 * time.Second): // the emulator has stopped, and the client keeps retrying
		}
	})
	return s
}

func dialPubSub(t *testing.T, host, project string) *pubsub.Client {
	t.Helper()
	client, err := pubsub.NewClient(context.Background(), project,
		option.WithEndpoint(host), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// receivesAll waits until all these events have arrived.
func (s *consumer) receivesAll(t *testing.T, contents []string) {
	t.Helper()
	eventually(t, "the subscription has every event", func() error {
		if n := s.census.missing(contents); n > 0 {
			return fmt.Errorf("%d of %d events have not come", n, len(contents))
		}
		return nil
	})
}

// redelivered returns how many messages arrived more than once.
func (s *consumer) redelivered() int {
	s.census.mu.Lock()
	defer s.census.mu.Unlock()
	return s.census.deliveries - len(s.census.bodies)
}

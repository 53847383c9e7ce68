package event_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
)

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	ce := map[string]json.RawMessage{"source": json.RawMessage(`"s"`), "id": json.RawMessage(`"1"`)}
	push, ok := event.ParsePush([]byte(`{"message":{"data":"aGk=","messageId":"7"},"subscription":"projects/p/subscriptions/s"}`))
	require.True(t, ok)
	require.Equal(t, "hi", string(push.Data))
	header := map[string][]string{"Idempotency-Key": {"k"}}

	require.Equal(t, "key:k", event.IdempotencyKey(header, ce, push), "the header comes first")
	require.Equal(t, "ce:1:s1", event.IdempotencyKey(nil, ce, push), "then the CloudEvent")
	require.Contains(t, event.IdempotencyKey(nil, nil, push), "pubsub:", "then the push")
	unwrapped := map[string][]string{
		"X-Goog-Pubsub-Message-Id": {"8"}, "X-Goog-Pubsub-Subscription-Name": {"projects/p/subscriptions/s"},
	}
	require.Equal(t, "pubsub:26:projects/p/subscriptions/s8", event.IdempotencyKey(unwrapped, nil, event.Push{}))
	require.Equal(t, "pubsub:26:projects/p/subscriptions/s8", event.IdempotencyKey(unwrapped, nil, push), "the push of this request, not one that it passes on")
	require.Empty(t, event.IdempotencyKey(map[string][]string{"Idempotency-Key": {" "}}, nil, event.Push{}))
}

// A message id is unique in its topic only: two topics may push to one endpoint.
func TestAnUnwrappedPushWithoutSubscriptionHasNoName(t *testing.T) {
	t.Parallel()
	require.Empty(t, event.IdempotencyKey(map[string][]string{"X-Goog-Pubsub-Message-Id": {"7"}}, nil, event.Push{}))
	require.Empty(t, event.IdempotencyKey(map[string][]string{"X-Goog-Pubsub-Subscription-Name": {"s"}}, nil, event.Push{}))
}

func TestEveryLineOfTheHeaderCounts(t *testing.T) {
	t.Parallel()
	of := func(values ...string) string {
		return event.IdempotencyKey(map[string][]string{"Idempotency-Key": values}, nil, event.Push{})
	}
	require.NotEqual(t, of("order 1", "line 1"), of("order 1", "line 2"))
	require.Equal(t, of("order 1, line 1"), of("order 1", "line 1"), "HTTP reads both alike")
	require.Equal(t, of("k"), of("", " k "))
}

func TestItemsOfABatchHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	of := func(key string) map[string][]string { return map[string][]string{"Idempotency-Key": {key}} }
	seen := map[string]bool{}
	for _, key := range []string{"a", "a#0", "a#0#0", "0:a", "item:0:a"} {
		names := []string{event.IdempotencyKey(of(key), nil, event.Push{}), event.ItemKey(of(key), 0), event.ItemKey(of(key), 1)}
		for _, name := range names {
			require.False(t, seen[name], name)
			seen[name] = true
		}
	}
	require.Empty(t, event.ItemKey(of(" "), 0))
}

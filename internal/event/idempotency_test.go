package event_test

import (
	"encoding/json"
	"net/http"
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

	require.Equal(t, "key:k", event.IdempotencyKey(header, ce, &push), "the header comes first")
	require.Equal(t, "ce:1:s1", event.IdempotencyKey(nil, ce, &push), "then the CloudEvent")
	require.Contains(t, event.IdempotencyKey(nil, nil, &push), "pubsub:", "then the push")
	unwrapped := map[string][]string{
		"X-Goog-Pubsub-Message-Id": {"8"}, "X-Goog-Pubsub-Subscription-Name": {"projects/p/subscriptions/s"},
	}
	require.Equal(t, "pubsub:26:projects/p/subscriptions/s8", event.IdempotencyKey(unwrapped, nil, nil))
	require.Equal(t, "pubsub:26:projects/p/subscriptions/s8", event.IdempotencyKey(unwrapped, nil, &push), "the push of this request, not one that it passes on")
	require.Empty(t, event.IdempotencyKey(map[string][]string{"Idempotency-Key": {" "}}, nil, nil))
}

// A message id is unique in its topic only: two topics may push to one endpoint.
func TestAnUnwrappedPushWithoutSubscriptionHasNoName(t *testing.T) {
	t.Parallel()
	require.Empty(t, event.IdempotencyKey(map[string][]string{"X-Goog-Pubsub-Message-Id": {"7"}}, nil, nil))
	require.Empty(t, event.IdempotencyKey(map[string][]string{"X-Goog-Pubsub-Subscription-Name": {"s"}}, nil, nil))
}

func TestEveryLineOfTheHeaderCounts(t *testing.T) {
	t.Parallel()
	of := func(values ...string) string {
		return event.IdempotencyKey(map[string][]string{"Idempotency-Key": values}, nil, nil)
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
		names := []string{event.IdempotencyKey(of(key), nil, nil), event.ItemKey(of(key), 0), event.ItemKey(of(key), 1)}
		for _, name := range names {
			require.False(t, seen[name], name)
			seen[name] = true
		}
	}
	require.Empty(t, event.ItemKey(of(" "), 0))
}

// Cloud Tasks and Cloud Scheduler send the same headers with each attempt.
func TestTasksAndJobsHaveNames(t *testing.T) {
	t.Parallel()
	of := func(pairs ...string) string {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Set(pairs[i], pairs[i+1])
		}
		return event.IdempotencyKey(header, nil, nil)
	}
	task := []string{"X-CloudTasks-QueueName", "work", "X-CloudTasks-TaskName", "7"}
	job := []string{"X-CloudScheduler-JobName", "nightly", "X-CloudScheduler-ScheduleTime", "2026-05-01T02:00:00Z"}
	require.Equal(t, "task:4:work7", of(task...))
	require.Equal(t, "task:4:work7", of(append(task, "X-CloudTasks-TaskRetryCount", "3")...), "a retry")
	require.Equal(t, "job:7:nightly2026-05-01T02:00:00Z", of(job...))
	require.NotEqual(t, of(job...), of("X-CloudScheduler-JobName", "nightly", "X-CloudScheduler-ScheduleTime", "2026-05-02T02:00:00Z"))
	require.NotEqual(t, of(task...), of("X-CloudTasks-QueueName", "work7", "X-CloudTasks-TaskName", ""))

	require.Empty(t, of(task[:2]...))
	require.Empty(t, of(task[2:]...), "a task's name is unique in its queue only")
	require.Empty(t, of(job[:2]...), "the next run has the same job")
	require.Empty(t, of(job[2:]...))

	require.Equal(t, "key:k", of(append(task, "Idempotency-Key", "k")...), "what the source says comes first")
	ce := map[string]json.RawMessage{"source": json.RawMessage(`"s"`), "id": json.RawMessage(`"1"`)}
	require.Equal(t, "ce:1:s1", event.IdempotencyKey(http.Header{"X-Cloudtasks-Queuename": {"work"}, "X-Cloudtasks-Taskname": {"7"}}, ce, nil))
}

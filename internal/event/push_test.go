package event_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
)

// pushes are bodies as Pub/Sub's documentation shows them, and as the emulator sends them.
var pushes = []string{
	`{"message":{"attributes":{"key":"value"},"data":"SGVsbG8=","messageId":"2070443601311540","message_id":"2070443601311540",
		"publishTime":"2021-02-26T19:13:55.749Z","publish_time":"2021-02-26T19:13:55.749Z"},"subscription":"projects/p/subscriptions/s"}`,
	`{"deliveryAttempt":5,"message":{"data":"SGVsbG8=","messageId":"1","orderingKey":"k","publishTime":"2021-02-26T19:13:55.749Z"},
		"subscription":"projects/p/subscriptions/s"}`,
	`{"subscription":"projects\/p\/subscriptions\/s","message":{"publishTime":"2026-11-27T12:25:18.162Z","data":"",
		"publish_time":"2026-11-27T12:25:18.162Z","messageId":"2","attributes":{"a":"b"},"message_id":"2"}}`,
	`{"subscription":"projects\/p\/subscriptions\/s","message":{"publishTime":"2026-11-27T12:25:18.160Z","data":"aGk=",
		"publish_time":"2026-11-27T12:25:18.160Z","messageId":"1","attributes":{},"message_id":"1"}}`,
	`{"message":{"attributes":{"a":"b"},"messageId":"3"},"subscription":"s"}`,
}

func TestParsePush(t *testing.T) {
	t.Parallel()
	for _, body := range pushes {
		push, ok := event.ParsePush([]byte(body))
		require.True(t, ok, body)
		require.NotEmpty(t, event.IdempotencyKey(nil, nil, &push))
	}
	push, _ := event.ParsePush([]byte(pushes[0]))
	require.Equal(t, event.Push{
		PubSub: event.PubSub{
			MessageID: "2070443601311540", Subscription: "projects/p/subscriptions/s",
			Attributes: map[string]string{"key": "value"}, PublishTime: "2021-02-26T19:13:55.749Z",
		},
		Data: []byte("Hello"),
	}, push)
}

// What only resembles a push is an event of another system, with ids of another meaning.
func TestWhatIsNoPush(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `"messageId"`, `[{"messageId":"7"}]`, `{"messageId":"7"}`, `{"message":null,"messageId":"7"}`,
		`{"type":"created","message":{"messageId":"42"}}`,
		`{"message":{"messageId":"42","data":"aGk="}}`,
		`{"subscription":"","message":{"messageId":"42","data":"aGk="}}`,
		`{"subscription":{"plan":"gold"},"message":{"messageId":"42","data":"aGk="}}`,
		`{"subscription":"s","message":{"messageId":"42"}}`,
		`{"subscription":"s","message":{"messageId":"42","data":"","attributes":{}}}`,
		`{"subscription":"s","message":{"messageId":"","data":"aGk="}}`,
		`{"subscription":"s","message":{"messageId":42,"data":"aGk="}}`,
		`{"subscription":"s","message":{"messageId":"42","data":"%"}}`,
		`{"subscription":"s","message":{"messageId":"42","data":null,"attributes":{"a":"b"}}}`,
		`{"subscription":"s","message":{"messageId":"42","data":{"a":1}}}`,
		`{"subscription":"s","message":{"messageId":"42","data":"aGk=","attributes":{"n":1}}}`,
		`{"subscription":"s","message":{"messageId":"42","message_id":"43","data":"aGk="}}`,
		`{"subscription":"s","message":{"messageId":"42","data":"aGk=","publishTime":"a","publish_time":"b"}}`,
		`{"subscription":"s","message":{"messageId":"42","data":"aGk=","text":"x"}}`,
		`{"subscription":"s","type":"created","message":{"messageId":"42","data":"aGk="}}`,
		`{"subscription":"s","Message":{"messageId":"42","data":"aGk="}}`,
		`{"subscription":"s","message":{"MessageID":"42","data":"aGk="},"x":"messageId"}`,
		`{"subscription":"s","message":{"messageId":"42","messageId":"43","data":"aGk="}}`,
		`{"subscription":"s","message":{"messageId":"42","data":"aGk="}} {}`,
		"{\"subscription\":\"s\xff\",\"message\":{\"messageId\":\"42\",\"data\":\"aGk=\"}}",
	} {
		_, ok := event.ParsePush([]byte(body))
		require.False(t, ok, body)
	}
}

// Two messages are never one event, even if a test or an emulator that was restarted gives
// them the same id. The same message that is delivered again always is.
func TestAPushIsNamedByAllThatItSays(t *testing.T) {
	t.Parallel()
	const body = `{"deliveryAttempt":1,"subscription":"s","message":{"messageId":"1","data":"aGk=","attributes":{"a":"b","c":"d"},"publishTime":"t","orderingKey":"k"}}`
	name := func(body string) string {
		push, ok := event.ParsePush([]byte(body))
		require.True(t, ok, body)
		return event.IdempotencyKey(nil, nil, &push)
	}
	for old, other := range map[string]string{
		`"messageId":"1"`: `"messageId":"2"`, `"subscription":"s"`: `"subscription":"t"`, `aGk=`: `aG8=`, `"a":"b"`: `"a":"c"`,
		`"a":"b","c":"d"`: `"a":"b"`, `"publishTime":"t"`: `"publishTime":"u"`, `"orderingKey":"k"`: `"orderingKey":"l"`,
	} {
		require.NotEqual(t, name(body), name(strings.Replace(body, old, other, 1)), other)
	}
	require.Equal(t, name(body), name(strings.Replace(body, `"deliveryAttempt":1`, `"deliveryAttempt":2`, 1)))
	require.Equal(t, name(body), name(strings.Replace(body, `"a":"b","c":"d"`, `"c":"d", "a":"b"`, 1)))
	require.Equal(t, name(body), name(strings.Replace(body, `"publishTime":"t"`, `"publishTime":"t","publish_time":"t"`, 1)))
}

// A path that takes only pushes must go on working when Pub/Sub adds a member.
func TestDecodePush(t *testing.T) {
	t.Parallel()
	for _, body := range append([]string{`{"new":1,"message":{"messageId":"1","new":{}}}`}, pushes...) {
		_, ok := event.DecodePush([]byte(body))
		require.True(t, ok, body)
	}
	for _, body := range []string{``, `{}`, `{"message":{}}`, `{"message":{"messageId":"1","data":"%"}}`} {
		_, ok := event.DecodePush([]byte(body))
		require.False(t, ok, body)
	}
}

package functions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An event that was answered with 200 is in a message, unless its source named it: two
// bodies that only resemble something with an id are two events.
func TestTwoBodiesAreTwoEvents(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	for _, requests := range [][2]string{
		{`{"type":"created","message":{"messageId":"42"}}`, `{"type":"deleted","message":{"messageId":"42"}}`},
		{`{"subscription":"gold","message":{"messageId":"42","data":"aGk="}}`, `{"subscription":"gold","message":{"messageId":"42","data":"aG8="}}`},
		{`{"subscription":"gold","message":{"messageId":"7","data":"aGk="},"at":1}`, `{"subscription":"gold","message":{"messageId":"7","data":"aGk="},"at":2}`},
	} {
		for _, body := range requests {
			require.Equal(t, false, g.event("entry1", body, "Content-Type", "application/json").json["duplicate"], body)
		}
	}
	for _, body := range []string{"a", "b"} { // two topics push unwrapped, and neither says which it is
		require.Equal(t, false, g.event("entry1", body, "X-Goog-Pubsub-Message-Id", "1").json["duplicate"])
	}
	a := g.do("POST", "/events/entry1", `["item"]`, "Content-Type", "application/json", "Idempotency-Key", "order")
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Equal(t, false, g.event("entry1", "single", "Idempotency-Key", "order#0").json["duplicate"], "an item of a batch has a name of its own")
	require.Len(t, g.message(g.do("POST", "/trigger", "").str("triggered")).Events["entry1"].Events, 10)
}

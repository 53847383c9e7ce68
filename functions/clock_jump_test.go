package functions

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/signature"
)

// The whole application uses one clock. A jump of the machine's clock does not affect the
// window, idempotency keys or retention.
func TestAttackClockThroughTheAPI(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", "a", "Idempotency-Key", "k")
	old := g.event("entry2", "b").str("triggered")
	g.advance(59 * time.Minute)
	at := g.clock()
	g.event("entry1", "c", "Idempotency-Key", "l")
	for _, jump := range []time.Duration{2 * time.Hour, -time.Hour, 240 * time.Hour} {
		g.jump(jump)
		for range 11 {
			g.advance(time.Second)
			s := g.do("POST", "/sweep", "")
			require.Zero(t, s.num("expired")+s.num("purged"), jump)
		}
		a := g.event("entry1", "c", "Idempotency-Key", "l")
		require.Equal(t, true, a.json["duplicate"], "the source sends it again")
		require.Equal(t, at.Format(time.RFC3339), a.str("receivedAt"))
		g.jump(-jump)
	}
	require.Equal(t, true, g.event("entry1", "a", "Idempotency-Key", "k").json["duplicate"])
	g.message(old)
	id := g.event("entry2", "d").str("triggered")
	require.Equal(t, 1, g.message(id).Events["entry1"].NumberOfEvents, "nothing was lost")
}

// A process whose clock is wrong by hours from the start checks webhooks by the store's
// time.
func TestAttackClockOfWebhooks(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/hooks/h", "/external-data-webhook"} {
		secret := signature.NewSecret()
		g := newGateway(t, oneService(`,"echo":{"secrets":["`+secret+`"]},
			"hooks":[{"name":"h","verify":{"type":"standard","secrets":["`+secret+`"]},"event":{"eventKey":"entry1"}}]`))
		truth := g.clock().Add(3 * time.Hour)
		g.store.time = func() time.Time { return truth.Add(g.elapsed()) }
		for _, id := range []string{"msg_1", "msg_2"} {
			body := `{"data":{"1":{"name":"n","priority":1}}}`
			h, err := signature.Sign(secret, id, g.store.time(), []byte(body))
			require.NoError(t, err)
			var headers []string
			for k := range h {
				headers = append(headers, k, h.Get(k))
			}
			a := g.do("POST", path, body, headers...)
			require.Equal(t, 200, a.status, "%s: %s", path, a.raw)
			g.jump(-10 * 24 * time.Hour) // while it runs
			g.advance(time.Minute)
		}
	}
}

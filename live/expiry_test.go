package live_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// A connection does not outlive the token that allowed it.
func TestConnectionsEndWithTheirTokens(t *testing.T) {
	t.Parallel()
	tokens := &live.Tokens{Secret: tokenSecret, Audience: "headgate", Now: func() time.Time { return tokenTime }}
	grant, err := tokens.Check(t.Context(), signed(t, jose.HS256, tokenSecret, "", nil))
	require.NoError(t, err)
	var passed atomic.Int64
	w := newWorld(t, func(w *world, o *live.Options) {
		w.until = grant.Until
		o.Now = func() time.Time { return tokenTime.Add(time.Duration(passed.Load())) }
	})
	p := w.dial("protocol=2")
	passed.Store(int64(time.Hour + 2*time.Minute)) // some allow for other clocks
	w.hub.Beat()
	m := p.read()
	require.Equal(t, "bye", m["type"])
	require.Contains(t, m["message"], "token")
	require.Equal(t, 1012, p.code())
}

package live_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// While keys are fetched that do not come, who signs with one that is known is not
// kept waiting.
func TestKnownKeysDoNotWait(t *testing.T) {
	t.Parallel()
	first, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	var hang atomic.Bool
	asked, end := make(chan struct{}, 10), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if hang.Load() {
			asked <- struct{}{}
			<-end
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &first.PublicKey, KeyID: "first", Algorithm: "RS256", Use: "sig"}}})
	}))
	release := sync.OnceFunc(func() { close(end) })
	defer srv.Close()
	defer release()
	var minutes atomic.Int64
	tokens := &live.Tokens{JWKSURL: srv.URL, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time {
		return tokenTime.Add(time.Duration(minutes.Load()) * time.Minute)
	}}
	check := func(id string) error {
		_, err := tokens.Check(t.Context(), signed(t, jose.RS256, first, id, nil))
		return err
	}
	require.NoError(t, check("first"))
	hang.Store(true)
	minutes.Store(1)
	unknown := make(chan error, 1)
	go func() { unknown <- check("second") }()
	<-asked
	known := make(chan error, 1)
	go func() { known <- check("first") }()
	select {
	case err := <-known:
		require.NoError(t, err)
	case <-time.After(8 * time.Second):
		require.Fail(t, "it waits")
	}
	release()
	require.ErrorIs(t, <-unknown, live.ErrToken)
	require.Empty(t, asked, "one asks at a time")
}

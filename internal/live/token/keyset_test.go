package token_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/live/token"
)

func TestKeySets(t *testing.T) {
	t.Parallel()
	first, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	second, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	keys := []jose.JSONWebKey{{Key: &first.PublicKey, KeyID: "first", Algorithm: "RS256", Use: "sig"}}
	calls := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: keys})
	}))
	defer srv.Close()
	now := tokenTime
	tokens := &token.Verifier{JWKSURL: srv.URL, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time { return now }}
	for range 3 {
		_, err = tokens.Verify(t.Context(), signed(t, jose.RS256, first, "first", nil))
		require.NoError(t, err)
	}
	require.Equal(t, 1, calls, "the keys are cached")
	_, err = tokens.Verify(t.Context(), signed(t, jose.RS256, second, "second", nil))
	require.ErrorIs(t, err, token.ErrInvalid)
	require.Equal(t, 1, calls, "an unknown key does not cause a fetch each time")
	keys = append(keys, jose.JSONWebKey{Key: &second.PublicKey, KeyID: "second", Algorithm: "RS256", Use: "sig"})
	now = now.Add(time.Minute)
	_, err = tokens.Verify(t.Context(), signed(t, jose.RS256, second, "second", nil))
	require.NoError(t, err, "keys are rotated")
	_, err = tokens.Verify(t.Context(), signed(t, jose.RS256, second, "first", nil))
	require.ErrorIs(t, err, token.ErrInvalid)
	// An attacker must not use the public key as an HS256 secret.
	public, err := json.Marshal(keys[0])
	require.NoError(t, err)
	_, err = tokens.Verify(t.Context(), signed(t, jose.HS256, append(public, make([]byte, 64)...), "first", nil))
	require.ErrorIs(t, err, token.ErrInvalid)
}

// After the clock was set back, a fetch that happened "in the future", or failed then,
// does not delay the next one.
func TestKeySetAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	var signers []*rsa.PrivateKey
	for range 3 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		signers = append(signers, key)
	}
	served, away := 1, false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away {
			http.Error(w, "", http.StatusBadGateway)
			return
		}
		var keys jose.JSONWebKeySet
		for i, s := range signers[:served] {
			keys.Keys = append(keys.Keys, jose.JSONWebKey{Key: &s.PublicKey, KeyID: fmt.Sprint(i), Algorithm: "RS256", Use: "sig"})
		}
		_ = json.NewEncoder(w).Encode(keys)
	}))
	defer srv.Close()
	ahead := tokenTime.Add(50 * time.Minute)
	now := ahead
	tokens := &token.Verifier{JWKSURL: srv.URL, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time { return now }}
	check := func(i int) error {
		_, err := tokens.Verify(t.Context(), signed(t, jose.RS256, signers[i], fmt.Sprint(i), nil))
		return err
	}
	require.NoError(t, check(0))
	served, now = 2, tokenTime
	require.NoError(t, check(1))

	now, away = ahead, true
	require.Error(t, check(2))
	served, now, away = 3, tokenTime.Add(2*time.Minute), false // the known keys must be older than this
	require.NoError(t, check(2))
}

// While the key server does not answer, known keys keep working, a token with another
// key is not called invalid, and not every token causes a fetch.
func TestKeyServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	first, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	calls, away := 0, false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; away {
			http.Error(w, "", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &first.PublicKey, KeyID: "first", Algorithm: "RS256", Use: "sig"}}})
	}))
	defer srv.Close()
	now := tokenTime
	tokens := &token.Verifier{JWKSURL: srv.URL, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time { return now }}
	check := func(id string) error {
		_, err := tokens.Verify(t.Context(), signed(t, jose.RS256, first, id, nil))
		return err
	}
	away = true
	for range 3 {
		err = check("first")
		require.Error(t, err)
		require.NotErrorIs(t, err, token.ErrInvalid)
	}
	require.Equal(t, 1, calls)
	away, now = false, now.Add(3*time.Second)
	require.NoError(t, check("first"))
	away, now = true, now.Add(61*time.Second)
	require.NoError(t, check("first"))
	require.NotErrorIs(t, check("second"), token.ErrInvalid)
	require.Equal(t, 3, calls)
}

// The URL of the keys may hold credentials.
func TestKeySetErrorsDoNotRepeatTheURL(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for _, at := range []string{srv.URL + "/keys?sig=s3cret", "https://user:s3cret@host:port/"} {
		tokens := &token.Verifier{JWKSURL: at, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time { return tokenTime }}
		_, err = tokens.Verify(t.Context(), signed(t, jose.RS256, key, "first", nil))
		require.ErrorContains(t, err, "the keys")
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// While a fetch of the keys hangs, tokens with a known key are verified without waiting.
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
	tokens := &token.Verifier{JWKSURL: srv.URL, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time {
		return tokenTime.Add(time.Duration(minutes.Load()) * time.Minute)
	}}
	check := func(id string) error {
		_, err := tokens.Verify(t.Context(), signed(t, jose.RS256, first, id, nil))
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
		require.Fail(t, "the known key waits")
	}
	release()
	require.ErrorIs(t, <-unknown, token.ErrInvalid)
	require.Empty(t, asked, "only one fetch runs at a time")
}

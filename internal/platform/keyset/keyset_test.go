package keyset_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/keyset"
)

// Known keys are used for an hour, an unknown key causes one fetch in 30 seconds, and known
// keys outlast a server that is down.
func TestWhenKeysAreFetched(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	calls, status, served := 0, 200, []string{"a"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		var set jose.JSONWebKeySet
		for _, id := range served {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: &key.PublicKey, KeyID: id, Algorithm: "ES256", Use: "sig"})
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(set)
	}))
	t.Cleanup(server.Close)
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	s := &keyset.Set{URL: server.URL, HTTP: server.Client(), Now: func() time.Time { return now }}
	has := func(id string) (bool, error) {
		keys, err := s.Keys(t.Context(), id)
		return len(keys.Key(id)) > 0, err
	}
	for _, step := range []struct {
		what   string
		after  time.Duration
		serves []string
		status int
		id     string
		has    bool
		fails  bool
		calls  int
	}{
		{"the server is down", 0, []string{"a"}, 502, "a", false, true, 1},
		{"not asked again at once", time.Second, []string{"a"}, 200, "a", false, true, 1},
		{"asked again", time.Second, []string{"a"}, 200, "a", true, false, 2},
		{"known", 29 * time.Second, []string{"a"}, 200, "a", true, false, 2},
		{"an unknown key, soon after a fetch", 0, []string{"a", "b"}, 200, "b", false, false, 2},
		{"an unknown key, later", time.Second, []string{"a", "b"}, 200, "c", false, false, 3},
		{"another unknown key", 0, []string{"a", "b"}, 200, "d", false, false, 3},
		{"fetched along", 0, []string{"a", "b"}, 200, "b", true, false, 3},
		{"old, and the server is down", time.Hour, nil, 502, "a", true, false, 4},
		{"unknown, and the server is down", 3 * time.Second, nil, 502, "c", false, true, 5},
		{"known, and the server was just down", 0, nil, 502, "b", true, false, 5},
		{"a key that was withdrawn", 3 * time.Second, []string{"b"}, 200, "a", false, false, 6},
	} {
		now, served, status = now.Add(step.after), step.serves, step.status
		got, err := has(step.id)
		require.Equal(t, step.fails, err != nil, "%s: %v", step.what, err)
		require.Equal(t, step.has && !step.fails, got && err == nil, step.what)
		require.Equal(t, step.calls, calls, step.what)
	}
}

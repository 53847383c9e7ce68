package live_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

var (
	tokenSecret = []byte(strings.Repeat("s", 32))
	tokenTime   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

// signed is a token with the claims, in place of good ones.
func signed(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, change map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	require.NoError(t, err)
	claims := map[string]any{
		"iss": "https://login.example", "aud": "headgate", "exp": tokenTime.Add(time.Hour).Unix(), "entities": []string{"items/1", "acme/items/*"},
	}
	for k, v := range change {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

func TestTokens(t *testing.T) {
	t.Parallel()
	tokens := &live.Tokens{Secret: tokenSecret, Issuer: "https://login.example", Audience: "headgate", Now: func() time.Time { return tokenTime }}
	grant, err := tokens.Check(t.Context(), signed(t, jose.HS256, tokenSecret, "", nil))
	require.NoError(t, err)
	for k, want := range map[live.Key]bool{
		live.KeyOf("items", "1"): true, live.KeyOf("default/items", "1"): true, live.KeyOf("items", "2"): false, live.KeyOf("items", "*"): false,
		live.KeyOf("acme/items", "7"): true, live.KeyOf("acme/items", "*"): true, live.KeyOf("acme/other", "7"): false, live.KeyOf("other/items", "7"): false,
	} {
		require.Equal(t, want, grant.Allowed(k), "%v", k)
	}
	none := func(change map[string]any) string { return signed(t, jose.HS256, tokenSecret, "", change) }
	header := strings.Split(none(nil), ".")
	for name, token := range map[string]string{
		"another secret":   signed(t, jose.HS256, []byte(strings.Repeat("x", 32)), "", nil),
		"expired":          none(map[string]any{"exp": tokenTime.Add(-2 * time.Minute).Unix()}),
		"without exp":      none(map[string]any{"exp": nil}),
		"not yet":          none(map[string]any{"nbf": tokenTime.Add(time.Hour).Unix()}),
		"another audience": none(map[string]any{"aud": "other"}),
		"no audience":      none(map[string]any{"aud": nil}),
		"another issuer":   none(map[string]any{"iss": "https://evil.example"}),
		"another method":   signed(t, jose.HS512, []byte(strings.Repeat("s", 64)), "", nil),
		"alg none":         "eyJhbGciOiJub25lIn0." + header[1] + ".",
		"changed":          header[0] + "." + header[1] + "A." + header[2],
		"nonsense":         "a.b.c",
		"nothing":          "",
	} {
		_, err := tokens.Check(t.Context(), token)
		require.ErrorIs(t, err, live.ErrToken, name)
	}
	grant, err = tokens.Check(t.Context(), none(map[string]any{"entities": nil}))
	require.NoError(t, err)
	require.False(t, grant.Allowed(live.KeyOf("items", "1")), "it lists nothing")
	weak := &live.Tokens{Secret: []byte("short"), Audience: "headgate", Now: time.Now}
	_, err = weak.Check(t.Context(), none(nil))
	require.ErrorContains(t, err, "32 is the least")
}

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
	tokens := &live.Tokens{JWKSURL: srv.URL, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time { return now }}
	for range 3 {
		_, err = tokens.Check(t.Context(), signed(t, jose.RS256, first, "first", nil))
		require.NoError(t, err)
	}
	require.Equal(t, 1, calls, "the keys are kept")
	_, err = tokens.Check(t.Context(), signed(t, jose.RS256, second, "second", nil))
	require.ErrorIs(t, err, live.ErrToken)
	require.Equal(t, 1, calls, "not for every key that is not known")
	keys = append(keys, jose.JSONWebKey{Key: &second.PublicKey, KeyID: "second", Algorithm: "RS256", Use: "sig"})
	now = now.Add(time.Minute)
	_, err = tokens.Check(t.Context(), signed(t, jose.RS256, second, "second", nil))
	require.NoError(t, err, "keys are rotated")
	_, err = tokens.Check(t.Context(), signed(t, jose.RS256, second, "first", nil))
	require.ErrorIs(t, err, live.ErrToken)
	// A public key is no secret to sign with.
	public, err := json.Marshal(keys[0])
	require.NoError(t, err)
	_, err = tokens.Check(t.Context(), signed(t, jose.HS256, append(public, make([]byte, 64)...), "first", nil))
	require.ErrorIs(t, err, live.ErrToken)
}

// Keys that were fetched, or could not be, when the clock was ahead do not keep new ones
// out for as long as it was ahead.
func TestKeySetsOfAClockThatWasAhead(t *testing.T) {
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
	tokens := &live.Tokens{JWKSURL: srv.URL, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time { return now }}
	check := func(i int) error {
		_, err := tokens.Check(t.Context(), signed(t, jose.RS256, signers[i], fmt.Sprint(i), nil))
		return err
	}
	require.NoError(t, check(0))
	served, now = 2, tokenTime
	require.NoError(t, check(1))

	now, away = ahead, true
	require.Error(t, check(2))
	served, now, away = 3, tokenTime.Add(2*time.Minute), false // which the keys that are known must be older than
	require.NoError(t, check(2))
}

// While the keys cannot be had, nobody is called a liar: what is known is good, the
// rest is not known, and they are not asked for with every token.
func TestKeySetAway(t *testing.T) {
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
	tokens := &live.Tokens{JWKSURL: srv.URL, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time { return now }}
	check := func(id string) error {
		_, err := tokens.Check(t.Context(), signed(t, jose.RS256, first, id, nil))
		return err
	}
	away = true
	for range 3 {
		err = check("first")
		require.Error(t, err)
		require.NotErrorIs(t, err, live.ErrToken)
	}
	require.Equal(t, 1, calls)
	away, now = false, now.Add(3*time.Second)
	require.NoError(t, check("first"))
	away, now = true, now.Add(61*time.Second)
	require.NoError(t, check("first"))
	require.NotErrorIs(t, check("second"), live.ErrToken)
	require.Equal(t, 3, calls)
}

// Where the keys are may be signed for.
func TestKeySetErrorsDoNotRepeatTheURL(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for _, at := range []string{srv.URL + "/keys?sig=s3cret", "https://user:s3cret@host:port/"} {
		tokens := &live.Tokens{JWKSURL: at, Audience: "headgate", HTTP: srv.Client(), Now: func() time.Time { return tokenTime }}
		_, err = tokens.Check(t.Context(), signed(t, jose.RS256, key, "first", nil))
		require.ErrorContains(t, err, "the keys")
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// What is allowed to one organisation is no other's, whatever its types are called.
func TestNamesAreOneEntitys(t *testing.T) {
	t.Parallel()
	for _, k := range []live.Key{{Org: "acme", Type: "items", ID: "1"}, {Org: "default", Type: "items", ID: "1"}, {Org: "default", Type: "acme/items", ID: "1"}} {
		require.Equal(t, k, live.KeyOf(k.Entity(), k.ID))
	}
	for _, p := range []string{"acme/items/*", "acme/items/1"} {
		require.True(t, live.Allow([]string{p})(live.KeyOf("acme/items", "1")), p)
		require.False(t, live.Allow([]string{p})(live.KeyOf("default/acme/items", "1")), p)
	}
}

package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/live/token"
	"github.com/headgate/headgate/live"
)

var (
	tokenSecret = []byte(strings.Repeat("s", 32))
	tokenTime   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

// signed returns a signed token with valid claims, except for those in change.
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
	text, err := jwt.Signed(s).Claims(claims).Serialize()
	require.NoError(t, err)
	return text
}

func TestVerify(t *testing.T) {
	t.Parallel()
	tokens := &token.Verifier{Secret: tokenSecret, Issuer: "https://login.example", Audience: "headgate", Now: func() time.Time { return tokenTime }}
	grant, err := tokens.Verify(t.Context(), signed(t, jose.HS256, tokenSecret, "", nil))
	require.NoError(t, err)
	for k, want := range map[live.Key]bool{
		live.KeyOf("items", "1"): true, live.KeyOf("default/items", "1"): true, live.KeyOf("items", "2"): false, live.KeyOf("items", "*"): false,
		live.KeyOf("acme/items", "7"): true, live.KeyOf("acme/items", "*"): true, live.KeyOf("acme/other", "7"): false, live.KeyOf("other/items", "7"): false,
	} {
		require.Equal(t, want, grant.Allowed(k), "%v", k)
	}
	none := func(change map[string]any) string { return signed(t, jose.HS256, tokenSecret, "", change) }
	header := strings.Split(none(nil), ".")
	for name, text := range map[string]string{
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
		_, err := tokens.Verify(t.Context(), text)
		require.ErrorIs(t, err, token.ErrInvalid, name)
	}
	grant, err = tokens.Verify(t.Context(), none(map[string]any{"entities": nil}))
	require.NoError(t, err)
	require.False(t, grant.Allowed(live.KeyOf("items", "1")), "it lists no entities")
	weak := &token.Verifier{Secret: []byte("short"), Audience: "headgate", Now: time.Now}
	_, err = weak.Verify(t.Context(), none(nil))
	require.ErrorContains(t, err, "32 is the least")
}

// While a secret is rotated, tokens of both secrets are valid, with the same rules, and no others.
func TestTokensOfTheFormerSecret(t *testing.T) {
	t.Parallel()
	next := []byte(strings.Repeat("n", 32))
	tokens := &token.Verifier{Secret: next, Former: tokenSecret, Issuer: "https://login.example", Audience: "headgate", Now: func() time.Time { return tokenTime }}
	for name, secret := range map[string][]byte{"new": next, "former": tokenSecret} {
		grant, err := tokens.Verify(t.Context(), signed(t, jose.HS256, secret, "", nil))
		require.NoError(t, err, name)
		require.True(t, grant.Allowed(live.KeyOf("items", "1")), name)
		_, err = tokens.Verify(t.Context(), signed(t, jose.HS256, secret, "", map[string]any{"exp": tokenTime.Add(-2 * time.Minute).Unix()}))
		require.ErrorIs(t, err, token.ErrInvalid, name)
	}
	_, err := tokens.Verify(t.Context(), signed(t, jose.HS256, []byte(strings.Repeat("x", 32)), "", nil))
	require.ErrorIs(t, err, token.ErrInvalid)
	for _, former := range [][]byte{nil, {}, []byte("short")} { // the rotation has ended, or an empty variable
		tokens.Former = former
		_, err = tokens.Verify(t.Context(), signed(t, jose.HS256, tokenSecret, "", nil))
		require.ErrorIs(t, err, token.ErrInvalid)
	}
}

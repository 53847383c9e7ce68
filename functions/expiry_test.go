package functions

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/auth"
)

// certificates serves one key in the form of Google's certificates.
type certificates struct{ key *rsa.PrivateKey }

func (c certificates) RoundTrip(*http.Request) (*http.Response, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &c.key.PublicKey, KeyID: "k", Algorithm: "RS256", Use: "sig"}}}
	body, err := json.Marshal(set)
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, err
}

// A connection ends when the token that allowed it expires, whichever check accepted the
// token. A token that is known by its hash does not expire.
func TestAConnectionEndsWithTheTokenOfAuth(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sum := sha256.Sum256([]byte("fixed"))
	cfg, err := config.Parse([]byte(oneService(fmt.Sprintf(`,"auth":{
		"tokens":[{"name":"fixed","sha256":%q,"roles":["read"]}],
		"oidc":{"audiences":["https://gate.example"],"members":[{"email":"kate@example.com","roles":["read"]}]}}`, hex.EncodeToString(sum[:])))))
	require.NoError(t, err)
	g := newGatewayOf(t, cfg, true)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	guard, err := auth.New(cfg.Auth, &http.Client{Transport: certificates{key}}, nil)
	require.NoError(t, err)
	server := httptest.NewServer(newBuilder(g.app, guard, Names()).handler())
	t.Cleanup(server.Close)

	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	require.NoError(t, err)
	expiry := time.Now().Add(time.Hour).Truncate(time.Second) // Google's library has a clock of its own
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": "https://accounts.google.com", "aud": "https://gate.example", "email": "kate@example.com", "email_verified": true, "exp": expiry.Unix(),
	}).Serialize()
	require.NoError(t, err)
	g.advance(expiry.Add(-2 * time.Second).Sub(g.clock()))

	dial := func(token string) *websocket.Conn {
		c, _, err := websocket.Dial(ctx, server.URL+"/ws/entity-sync/?protocol=2", &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {"bearer  " + token}},
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.CloseNow() })
		return c
	}
	next := func(c *websocket.Conn) (string, error) {
		_, frame, err := c.Read(ctx)
		return string(frame), err
	}
	expires, stays := dial(token), dial("fixed")
	for _, c := range []*websocket.Conn{expires, stays} {
		frame, err := next(c)
		require.NoError(t, err)
		require.Contains(t, frame, "welcome")
	}
	stream, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/live?entity=items&id=1&access_token="+token, nil)
	require.NoError(t, err)
	events, err := http.DefaultClient.Do(stream)
	require.NoError(t, err)
	t.Cleanup(func() { _ = events.Body.Close() })
	require.Equal(t, 200, events.StatusCode)

	g.advance(3 * time.Second)
	frame, err := next(expires)
	require.NoError(t, err)
	require.Contains(t, frame, `"bye"`)
	require.Contains(t, frame, "token")
	_, err = next(expires)
	require.Equal(t, websocket.StatusServiceRestart, websocket.CloseStatus(err))
	all, err := io.ReadAll(events.Body) // it ends
	require.NoError(t, err)
	require.Contains(t, string(all), `"bye"`)

	require.NoError(t, stays.Write(ctx, websocket.MessageText, []byte(`{"action":"subscribe","body":{"entity":"items","id":"1"},"ref":"r"}`)))
	frame, err = next(stays)
	require.NoError(t, err)
	require.Contains(t, frame, "subscribed")
}

package functions

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
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

const (
	iapAudience = "/projects/1/locations/europe-west1/services/headgate"
	iapAuth     = `,"auth":{"iap":{"audiences":["` + iapAudience + `"]},"members":[
		{"email":"kate@example.com","roles":["ingest","operate","read"]},{"email":"ron@example.com","roles":["read"]}]}`
)

// proxied is a gateway behind an Identity-Aware Proxy.
type proxied struct {
	*gateway
	key *ecdsa.PrivateKey
}

func (p proxied) RoundTrip(*http.Request) (*http.Response, error) {
	body, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}, err
}

func behindProxy(t *testing.T, fields string) proxied {
	t.Helper()
	cfg, err := config.Parse([]byte(oneService(fields)))
	require.NoError(t, err)
	p := proxied{gateway: newGatewayOf(t, cfg, true)}
	p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	guard, err := auth.New(cfg.Auth, &http.Client{Transport: p}, p.app.Now)
	require.NoError(t, err)
	p.h = newBuilder(p.app, guard, Names()).handler()
	return p
}

// as returns the header that the proxy adds for its user.
func (p proxied) as(email string) []string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	require.NoError(p, err)
	text, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": "https://cloud.google.com/iap", "aud": iapAudience, "email": email,
		"iat": p.clock().Unix(), "exp": p.clock().Add(10 * time.Minute).Unix(),
	}).Serialize()
	require.NoError(p, err)
	return []string{"X-Goog-IAP-JWT-Assertion", text}
}

// A user of the proxy is told who they are, and acts without a token, in their own name.
func TestSignedInByTheProxy(t *testing.T) {
	t.Parallel()
	p := behindProxy(t, iapAuth)
	kate, ron := p.as("Kate@example.com"), p.as("ron@example.com")
	require.JSONEq(t, `{"name":"kate@example.com","by":"iap","roles":["ingest","operate","read"]}`, string(p.do("GET", "/whoami", "", kate...).raw))
	require.JSONEq(t, `{"name":"ron@example.com","by":"iap","roles":["read"]}`, string(p.do("GET", "/whoami", "", ron...).raw))
	require.Equal(t, 401, p.do("GET", "/whoami", "").status)
	eve := p.do("GET", "/config", "", p.as("eve@example.com")...)
	require.Equal(t, 403, eve.status)
	require.Contains(t, string(eve.raw), "auth.members")

	require.Equal(t, 200, p.do("GET", "/config", "", ron...).status)
	require.Equal(t, 403, p.do("POST", "/reset", "", ron...).status)
	require.Equal(t, 200, p.do("POST", "/event/entry1", "x", kate...).status)
	require.Equal(t, 1, p.do("POST", "/reset", "", kate...).num("reset"))
	require.Contains(t, string(p.do("GET", "/audit", "", kate...).raw), `"who":"kate@example.com"`)
	stored := p.do("GET", "/events", "", kate...)
	require.NotContains(t, string(stored.raw), kate[1], "the assertion is a credential, and not kept")
}

// Without auth, the header names nobody: whoever sends it may have written it.
func TestTheProxysHeaderIsNoNameWithoutAuth(t *testing.T) {
	t.Parallel()
	p := behindProxy(t, "")
	require.Equal(t, 0, p.do("POST", "/reset", "", p.as("kate@example.com")...).num("reset"))
	entries := string(p.do("GET", "/audit", "").raw)
	require.Contains(t, entries, `"action":"reset"`)
	require.NotContains(t, entries, "kate")
	require.JSONEq(t, `{"name":"","by":"","roles":["ingest","operate","read"]}`, string(p.do("GET", "/whoami", "", p.as("kate@example.com")...).raw))
}

// The proxy knows its user by a cookie, which the browser adds for the pages of every
// origin. So at every route, a page of another origin changes nothing in the user's name,
// even where pages of every origin may act with a token of theirs.
func TestPagesDoNotActForTheProxysUser(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{
		"nothing is allowed":   ``,
		"any page may act":     `,"cors":{"allowedOrigins":["*"]}`,
		"any page may connect": `,"live":{"allowedOrigins":["*"]}`,
		"another is listed":    `,"cors":{"allowedOrigins":["https://other.example"]},"live":{"allowedOrigins":["https://*"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := behindProxy(t, everything+iapAuth+fields)
			kate := p.as("kate@example.com")
			require.Equal(t, 200, p.do("POST", "/event/entry1", "x", kate...).status)
			p.do("GET", "/drafts/d", "", kate...) // the first reader of a draft creates it
			version := p.version()
			before := version()
			for _, path := range p.paths() {
				if path == "/hooks/h" || path == "/hooks/{name}" { // the secret of a hook admits, and not the user
					continue
				}
				for _, headers := range foreignPages {
					for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET"} {
						p.plain(method, path, "{}", append(headers, kate...)...)
					}
				}
			}
			require.Equal(t, before, version(), "something was committed")
			require.Empty(t, p.app.Live().Hub.Clients())
			require.Equal(t, 1, p.do("POST", "/reset", "", append([]string{"Origin", "http://example.com", "Sec-Fetch-Site", "same-origin"}, kate...)...).num("reset"),
				"a page of our own acts")
			require.NotEqual(t, before, version(), "the test sees commits")
		})
	}
}

// A page of a listed origin is trusted, and a page of any origin that shows a token is too.
func TestListedPagesActForTheProxysUser(t *testing.T) {
	t.Parallel()
	p := behindProxy(t, iapAuth+`,"cors":{"allowedOrigins":["https://desk.example"]}`)
	kate := p.as("kate@example.com")
	from := func(origin string) []string {
		return append([]string{"Origin", origin, "Sec-Fetch-Site", "cross-site"}, kate...)
	}
	require.Equal(t, 200, p.do("POST", "/reset", "", from("https://desk.example")...).status)
	require.Equal(t, 403, p.plain("POST", "/reset", "", from("https://evil.test")...).status)
}

// A WebSocket of another origin would read in the user's name what the page may not see.
func TestWebSocketsOfTheProxysUser(t *testing.T) {
	t.Parallel()
	p := behindProxy(t, iapAuth+`,"live":{"allowedOrigins":["*","https://*"]}`)
	server := httptest.NewServer(p.h)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dial := func(origin string) int {
		kate := p.as("kate@example.com")
		c, resp, err := websocket.Dial(ctx, server.URL+"/ws/entity-sync/?protocol=2", &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {origin}, kate[0]: {kate[1]}},
		})
		if err == nil {
			require.NoError(t, c.CloseNow())
		}
		require.NotNil(t, resp)
		return resp.StatusCode
	}
	require.Equal(t, 101, dial(server.URL), "our own page")
	require.Equal(t, 403, dial("https://evil.test"))
	require.Equal(t, 403, dial("null"))
}

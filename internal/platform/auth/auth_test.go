package auth

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
)

func hash(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// ask sends a request with the header and returns the code of its error; "" if the
// Guard lets it through.
func ask(t *testing.T, g *Guard, role string, authorization ...string) fault.Code {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header["Authorization"] = authorization
	through := false
	err := g.Require(role, func(http.ResponseWriter, *http.Request) error {
		through = true
		return nil
	})(httptest.NewRecorder(), r)
	require.Equal(t, err == nil, through)
	if err != nil {
		f, ok := errors.AsType[*fault.Error](err)
		require.True(t, ok)
		switch f.Code {
		case fault.Unauthenticated:
			require.Equal(t, "credentials are missing or not valid", f.Message)
		case fault.Forbidden:
			require.Equal(t, "not allowed: this needs the role "+role, f.Message)
		}
		for _, a := range authorization {
			if _, token, _ := strings.Cut(a, " "); len(token) > 3 {
				require.NotContains(t, err.Error(), token)
			}
		}
	}
	return fault.CodeOf(err)
}

func TestNoConfigurationAllowsEverybody(t *testing.T) {
	t.Parallel()
	g, err := New(nil, nil, nil)
	require.NoError(t, err)
	require.Empty(t, ask(t, g, Operate))
	require.Panics(t, func() { g.Require("admin", nil) })

	g, err = New(&config.Auth{}, nil, nil)
	require.NoError(t, err)
	require.Equal(t, fault.Unauthenticated, ask(t, g, Read, "Bearer x"), "no token is configured")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	g, err := New(&config.Auth{Tokens: []config.Token{
		{Name: "source", SHA256: hash("s3cret"), Roles: []string{Ingest}},
		{Name: "admin", SHA256: strings.ToUpper(hash("adm1n")), Roles: []string{Operate}},
		{Name: "admin again", SHA256: hash("adm1n"), Roles: []string{Read}},
		{Name: "nothing", SHA256: hash("n0ne")},
		{Name: "empty", SHA256: hash(""), Roles: []string{Operate}},
	}}, nil, nil)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		role   string
		header []string
		want   fault.Code
	}{
		"good":               {Ingest, []string{"Bearer s3cret"}, ""},
		"scheme in capitals": {Ingest, []string{"BEARER s3cret"}, ""},
		"more spaces":        {Ingest, []string{"bearer   s3cret "}, ""},
		"second entry":       {Operate, []string{"Bearer adm1n"}, ""},
		"listed twice":       {Read, []string{"Bearer adm1n"}, ""},
		"role missing":       {Operate, []string{"Bearer s3cret"}, fault.Forbidden},
		"no roles":           {Read, []string{"Bearer n0ne"}, fault.Forbidden},
		"wrong":              {Ingest, []string{"Bearer s3cres"}, fault.Unauthenticated},
		"like a JWT":         {Ingest, []string{"Bearer a.b.c"}, fault.Unauthenticated},
		"no header":          {Ingest, nil, fault.Unauthenticated},
		"empty header":       {Ingest, []string{""}, fault.Unauthenticated},
		"empty bearer":       {Operate, []string{"Bearer "}, fault.Unauthenticated},
		"scheme only":        {Operate, []string{"Bearer"}, fault.Unauthenticated},
		"other scheme":       {Ingest, []string{"Basic s3cret"}, fault.Unauthenticated},
		"bare":               {Ingest, []string{"s3cret"}, fault.Unauthenticated},
		"two headers":        {Ingest, []string{"Bearer s3cret", "Bearer s3cret"}, fault.Unauthenticated},
		"the hash itself":    {Ingest, []string{"Bearer " + hash("s3cret")}, fault.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, ask(t, g, c.role, c.header...))
		})
	}
}

func TestConfigurationMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []config.Auth{
		{Tokens: []config.Token{{SHA256: "abc"}}},
		{Tokens: []config.Token{{SHA256: hash("x") + "00"}}},
		{Tokens: []config.Token{{SHA256: hash("x"), Roles: []string{"root"}}}},
		{OIDC: &config.OIDC{}},
		{OIDC: &config.OIDC{Audiences: []string{"a", ""}}},
		{OIDC: &config.OIDC{Audiences: []string{"a"}, Members: []config.Member{{Email: "a@b", Roles: []string{"root"}}}}},
		{OIDC: &config.OIDC{Audiences: []string{"a"}, Members: []config.Member{{}}}},
	} {
		_, err := New(&c, nil, nil)
		require.Error(t, err)
	}
}

// google signs ID tokens and serves the certificates that verify them.
type google struct {
	key     *rsa.PrivateKey
	fetches atomic.Int64
	broken  func() (*http.Response, error)
}

var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

var otherKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (g *google) RoundTrip(r *http.Request) (*http.Response, error) {
	g.fetches.Add(1)
	if g.broken != nil {
		return g.broken()
	}
	if r.URL.String() != "https://www.googleapis.com/oauth2/v3/certs" {
		return nil, errors.New("unexpected fetch of " + r.URL.String())
	}
	b, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1",
		"n": b64(g.key.N.Bytes()), "e": b64(big.NewInt(int64(g.key.E)).Bytes()),
	}}})
	return answer(200, string(b)), err
}

func answer(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Cache-Control": {"public, max-age=3600"}},
	}
}

func sign(t *testing.T, header, claims map[string]any, f func(signed []byte) []byte) string {
	t.Helper()
	h, err := json.Marshal(header)
	require.NoError(t, err)
	c, err := json.Marshal(claims)
	require.NoError(t, err)
	signed := b64(h) + "." + b64(c)
	return signed + "." + b64(f([]byte(signed)))
}

func rs256(t *testing.T, k *rsa.PrivateKey) func([]byte) []byte {
	return func(signed []byte) []byte {
		h := sha256.Sum256(signed)
		sig, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, h[:])
		require.NoError(t, err)
		return sig
	}
}

func newOIDCGuard(t *testing.T, g *google) *Guard {
	t.Helper()
	guard, err := New(&config.Auth{
		Tokens: []config.Token{{SHA256: hash("s3cret"), Roles: []string{Read}}},
		OIDC: &config.OIDC{
			Audiences: []string{"https://other.example", "https://gate.example"},
			Members: []config.Member{
				{Email: "Push@Example.iam.gserviceaccount.com", Roles: []string{Ingest}},
				{Email: "kate@example.com", Roles: []string{Read}},
			},
		},
	}, &http.Client{Transport: g}, nil)
	require.NoError(t, err)
	return guard
}

func TestIDTokens(t *testing.T) {
	t.Parallel()
	g := &google{key: signingKey()}
	guard := newOIDCGuard(t, g)
	head := map[string]any{"alg": "RS256", "kid": "k1", "typ": "JWT"}
	with := func(m map[string]any, kv ...any) map[string]any {
		m = maps.Clone(m)
		for i := 0; i < len(kv); i += 2 {
			k := kv[i].(string)
			if m[k] = kv[i+1]; kv[i+1] == nil {
				delete(m, k)
			}
		}
		return m
	}
	claims := map[string]any{
		"iss": "https://accounts.google.com", "aud": "https://gate.example", "sub": "1",
		"email": "push@example.iam.gserviceaccount.com", "email_verified": true,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	by := rs256(t, g.key)
	good := sign(t, head, claims, by)
	parts := strings.Split(good, ".")
	hs := func(key []byte) func([]byte) []byte {
		return func(signed []byte) []byte {
			m := hmac.New(sha256.New, key)
			m.Write(signed)
			return m.Sum(nil)
		}
	}
	none := func([]byte) []byte { return nil }
	evil, err := json.Marshal(with(claims, "email", "kate@example.com"))
	require.NoError(t, err)

	for name, c := range map[string]struct {
		role, token string
		want        fault.Code
	}{
		"good":                   {Ingest, good, ""},
		"the other audience":     {Ingest, sign(t, head, with(claims, "aud", "https://other.example"), by), ""},
		"the other issuer":       {Ingest, sign(t, head, with(claims, "iss", "accounts.google.com"), by), ""},
		"address in capitals":    {Ingest, sign(t, head, with(claims, "email", "PUSH@example.iam.gserviceaccount.com"), by), ""},
		"role missing":           {Operate, good, fault.Forbidden},
		"expired":                {Ingest, sign(t, head, with(claims, "exp", time.Now().Add(-time.Minute).Unix()), by), fault.Unauthenticated},
		"without expiry":         {Ingest, sign(t, head, with(claims, "exp", nil), by), fault.Unauthenticated},
		"wrong audience":         {Ingest, sign(t, head, with(claims, "aud", "https://evil.example"), by), fault.Unauthenticated},
		"no audience":            {Ingest, sign(t, head, with(claims, "aud", nil), by), fault.Unauthenticated},
		"list of audiences":      {Ingest, sign(t, head, with(claims, "aud", []string{"https://gate.example"}), by), fault.Unauthenticated},
		"wrong issuer":           {Ingest, sign(t, head, with(claims, "iss", "https://evil.example"), by), fault.Unauthenticated},
		"no issuer":              {Ingest, sign(t, head, with(claims, "iss", nil), by), fault.Unauthenticated},
		"unverified":             {Ingest, sign(t, head, with(claims, "email_verified", false), by), fault.Unauthenticated},
		"verified as text":       {Ingest, sign(t, head, with(claims, "email_verified", "true"), by), fault.Unauthenticated},
		"not said to be":         {Ingest, sign(t, head, with(claims, "email_verified", nil), by), fault.Unauthenticated},
		"not listed":             {Ingest, sign(t, head, with(claims, "email", "eve@example.com"), by), fault.Unauthenticated},
		"no address":             {Ingest, sign(t, head, with(claims, "email", nil), by), fault.Unauthenticated},
		"address with Kelvin":    {Read, sign(t, head, with(claims, "email", "\u212aate@example.com"), by), fault.Unauthenticated},
		"another key":            {Ingest, sign(t, head, claims, rs256(t, otherKey())), fault.Unauthenticated},
		"unknown key id":         {Ingest, sign(t, with(head, "kid", "k2"), claims, by), fault.Unauthenticated},
		"tampered claims":        {Read, parts[0] + "." + b64(evil) + "." + parts[2], fault.Unauthenticated},
		"tampered signature":     {Ingest, parts[0] + "." + parts[1] + "." + b64(make([]byte, 256)), fault.Unauthenticated},
		"no signature":           {Ingest, parts[0] + "." + parts[1] + ".", fault.Unauthenticated},
		"alg none":               {Ingest, sign(t, with(head, "alg", "none"), claims, none), fault.Unauthenticated},
		"alg missing":            {Ingest, sign(t, with(head, "alg", nil), claims, by), fault.Unauthenticated},
		"HS256 with the modulus": {Ingest, sign(t, with(head, "alg", "HS256"), claims, hs(g.key.N.Bytes())), fault.Unauthenticated},
		"HS256 called RS256":     {Ingest, sign(t, head, claims, hs(g.key.N.Bytes())), fault.Unauthenticated},
		"short ES256":            {Ingest, sign(t, with(head, "alg", "ES256"), claims, none), fault.Unauthenticated},
		"not a JWT":              {Ingest, "a.b.c", fault.Unauthenticated},
		"dots":                   {Ingest, "..", fault.Unauthenticated},
		"listed token":           {Read, "s3cret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, ask(t, guard, c.role, "bearer "+c.token))
		})
	}
}

func TestCertificatesOutOfReach(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func() (*http.Response, error){
		"network":  func() (*http.Response, error) { return nil, errors.New("no route") },
		"status":   func() (*http.Response, error) { return answer(500, "{}"), nil },
		"nonsense": func() (*http.Response, error) { return answer(200, "<html>"), nil },
		"no keys":  func() (*http.Response, error) { return answer(200, "{}"), nil },
		"cut off": func() (*http.Response, error) {
			r := answer(200, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), cut{}))
			return r, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &google{key: signingKey(), broken: broken}
			guard := newOIDCGuard(t, g)
			token := sign(t, map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{
				"iss": "https://accounts.google.com", "aud": "https://gate.example",
				"email": "kate@example.com", "email_verified": true, "exp": time.Now().Add(time.Hour).Unix(),
			}, rs256(t, g.key))
			require.Equal(t, fault.Unavailable, ask(t, guard, Read, "Bearer "+token))
			require.Empty(t, ask(t, guard, Read, "Bearer s3cret"), "listed tokens need no certificates")
			g.broken = nil
			require.Empty(t, ask(t, guard, Read, "Bearer "+token), "a failure is not cached")
			require.Empty(t, ask(t, guard, Read, "Bearer "+token))
			require.EqualValues(t, 2, g.fetches.Load(), "certificates are cached")
		})
	}
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

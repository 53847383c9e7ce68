package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
)

const ourAudience = "/projects/123/locations/europe-west1/services/headgate"

var iapTime = time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)

// proxy is an Identity-Aware Proxy: it signs assertions and serves its public keys.
type proxy struct {
	key     *ecdsa.PrivateKey
	served  []string // key ids
	down    bool
	fetches atomic.Int64
	now     time.Time
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &proxy{key: key, served: []string{"k1"}, now: iapTime}
}

func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	p.fetches.Add(1)
	switch {
	case p.down:
		return nil, errors.New("no route")
	case r.URL.String() == "https://www.googleapis.com/oauth2/v3/certs":
		return answer(200, `{"keys":[{"kid":"x"}]}`), nil
	case r.URL.String() != "https://www.gstatic.com/iap/verify/public_key-jwk":
		return nil, errors.New("unexpected fetch of " + r.URL.String())
	}
	var set jose.JSONWebKeySet
	for _, id := range p.served {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &p.key.PublicKey, KeyID: id, Algorithm: "ES256", Use: "sig"})
	}
	b, err := json.Marshal(set)
	return answer(200, string(b)), err
}

func (p *proxy) guard(t *testing.T, cfg *config.Auth) *Guard {
	t.Helper()
	g, err := New(cfg, &http.Client{Transport: p}, func() time.Time { return p.now })
	require.NoError(t, err)
	return g
}

func es256(t *testing.T, key *ecdsa.PrivateKey) func([]byte) []byte {
	return func(signed []byte) []byte {
		h := sha256.Sum256(signed)
		r, s, err := ecdsa.Sign(rand.Reader, key, h[:])
		require.NoError(t, err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

func iapConfig() *config.Auth {
	return &config.Auth{
		IAP:    &config.IAP{Audiences: []string{"/projects/123/global/backendServices/7", ourAudience}},
		Tokens: []config.Token{{Name: "source", SHA256: hash("s3cret"), Roles: []string{Ingest}}},
		Members: []config.Member{
			{Email: "Kate@Example.com", Roles: []string{Read, Operate}},
			{Email: "push@p.iam.gserviceaccount.com", Roles: []string{Ingest}},
		},
	}
}

// assertion returns an assertion of the proxy with the changes; nil removes a field.
func (p *proxy) assertion(t *testing.T, head, claims map[string]any, by func([]byte) []byte) string {
	t.Helper()
	h := map[string]any{"alg": "ES256", "kid": "k1", "typ": "JWT"}
	c := map[string]any{
		"iss": "https://cloud.google.com/iap", "aud": ourAudience, "sub": "accounts.google.com:1",
		"email": "kate@example.com", "iat": iapTime.Unix(), "exp": iapTime.Add(10 * time.Minute).Unix(),
	}
	for of, changes := range map[*map[string]any]map[string]any{&h: head, &c: claims} {
		maps.Copy(*of, changes)
		maps.DeleteFunc(*of, func(_ string, v any) bool { return v == nil })
	}
	if by == nil {
		by = es256(t, p.key)
	}
	return sign(t, h, c, by)
}

// asks sends a request with an assertion, and returns who the handler was called for.
func asks(t *testing.T, g *Guard, role string, header http.Header) (name, by string, code fault.Code) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", nil)
	r.Header = header
	err := g.Require(role, func(_ http.ResponseWriter, r *http.Request) error {
		name = Caller(r.Context())
		by, _ = How(r.Context())
		return nil
	})(httptest.NewRecorder(), r)
	for _, shown := range header[assertionHeader] {
		if err != nil && len(shown) > 3 {
			require.NotContains(t, err.Error(), shown)
		}
	}
	return name, by, fault.CodeOf(err)
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	g := p.guard(t, iapConfig())
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&p.key.PublicKey)
	require.NoError(t, err)
	hs := func(key []byte) func([]byte) []byte {
		return func(signed []byte) []byte {
			m := hmac.New(sha256.New, key)
			m.Write(signed)
			return m.Sum(nil)
		}
	}
	type fields = map[string]any
	claimed := func(kv ...any) string {
		changes := fields{}
		for i := 0; i < len(kv); i += 2 {
			changes[kv[i].(string)] = kv[i+1]
		}
		return p.assertion(t, nil, changes, nil)
	}
	at := func(d time.Duration) int64 { return iapTime.Add(d).Unix() }
	good := claimed()
	parts := strings.Split(good, ".")
	evil := strings.Split(claimed("email", "push@p.iam.gserviceaccount.com"), ".")[1]
	no := fault.Unauthenticated
	for name, c := range map[string]struct {
		role, assertion string
		want            fault.Code
	}{
		"good":                      {Read, good, ""},
		"the other audience":        {Read, claimed("aud", "/projects/123/global/backendServices/7"), ""},
		"address in capitals":       {Operate, claimed("email", "KATE@EXAMPLE.COM"), ""},
		"a service account":         {Ingest, claimed("email", "push@p.iam.gserviceaccount.com"), ""},
		"role missing":              {Operate, claimed("email", "push@p.iam.gserviceaccount.com"), fault.Forbidden},
		"not a member":              {Read, claimed("email", "eve@example.com"), fault.Forbidden},
		"no address":                {Read, claimed("email", nil), fault.Forbidden},
		"address with Kelvin":       {Read, claimed("email", "\u212aate@example.com"), fault.Forbidden},
		"address with a realm":      {Read, claimed("email", "securetoken.google.com/p:kate@example.com"), fault.Forbidden},
		"a clock that is behind":    {Read, claimed("iat", at(30*time.Second)), ""},
		"issued in the future":      {Read, claimed("iat", at(31*time.Second)), no},
		"without its time of issue": {Read, claimed("iat", nil), no},
		"just expired":              {Read, claimed("exp", at(-30*time.Second)), ""},
		"expired":                   {Read, claimed("exp", at(-31*time.Second)), no},
		"without expiry":            {Read, claimed("exp", nil), no},
		"expiry is text":            {Read, claimed("exp", "2026-11-28T11:00:00Z"), no},
		"another audience":          {Read, claimed("aud", "/projects/123/locations/europe-west1/services/other"), no},
		"an audience that begins so": {
			Read, claimed("aud", ourAudience+"2"), no},
		"no audience":         {Read, claimed("aud", nil), no},
		"wrong issuer":        {Read, claimed("iss", "https://accounts.google.com"), no},
		"no issuer":           {Read, claimed("iss", nil), no},
		"another key":         {Read, p.assertion(t, nil, nil, es256(t, other)), no},
		"unknown key id":      {Read, p.assertion(t, fields{"kid": "k2"}, nil, nil), no},
		"no key id":           {Read, p.assertion(t, fields{"kid": nil}, nil, nil), no},
		"a key of its own":    {Read, p.assertion(t, fields{"jwk": jose.JSONWebKey{Key: &other.PublicKey}, "kid": nil}, nil, es256(t, other)), no},
		"tampered claims":     {Ingest, parts[0] + "." + evil + "." + parts[2], no},
		"tampered signature":  {Read, parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)), no},
		"short signature":     {Read, parts[0] + "." + parts[1] + "." + b64([]byte{1}), no},
		"no signature":        {Read, parts[0] + "." + parts[1] + ".", no},
		"alg none":            {Read, p.assertion(t, fields{"alg": "none"}, nil, func([]byte) []byte { return nil }), no},
		"alg missing":         {Read, p.assertion(t, fields{"alg": nil}, nil, nil), no},
		"HS256 with the key":  {Read, p.assertion(t, fields{"alg": "HS256"}, nil, hs(der)), no},
		"HS256 with the PEM":  {Read, p.assertion(t, fields{"alg": "HS256"}, nil, hs(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))), no},
		"HS256 called ES256":  {Read, p.assertion(t, nil, nil, hs(der)), no},
		"RS256":               {Read, p.assertion(t, fields{"alg": "RS256"}, nil, rs256(t, signingKey())), no},
		"not a JWT":           {Read, "a.b.c", no},
		"empty":               {Read, "", no},
		"two in one header":   {Read, good + ", " + good, no},
		"a token, not signed": {Read, "s3cret", no},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, by, code := asks(t, g, c.role, http.Header{assertionHeader: {c.assertion}})
			require.Equal(t, c.want, code)
			if c.want == "" {
				require.Equal(t, ByIAP, by)
				require.Contains(t, []string{"kate@example.com", "push@p.iam.gserviceaccount.com"}, who)
			}
		})
	}
}

// The assertion signs in beside tokens. What is not signed, or not asked for, proves nothing.
func TestAssertionsBesideTokens(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	good := p.assertion(t, nil, nil, nil)
	unsigned := http.Header{"X-Goog-Authenticated-User-Email": {"accounts.google.com:kate@example.com"}}
	open, tokens := p.guard(t, nil), p.guard(t, &config.Auth{Tokens: iapConfig().Tokens})
	both := iapConfig()
	both.OIDC = &config.OIDC{Audiences: []string{"https://gate.example"}}
	for name, c := range map[string]struct {
		guard   *Guard
		role    string
		header  http.Header
		who, by string
		code    fault.Code
	}{
		"nothing":                 {p.guard(t, iapConfig()), Read, http.Header{}, "", "", fault.Unauthenticated},
		"two assertions":          {p.guard(t, iapConfig()), Read, http.Header{assertionHeader: {good, good}}, "", "", fault.Unauthenticated},
		"headers without a proof": {p.guard(t, iapConfig()), Read, unsigned, "", "", fault.Unauthenticated},
		"a token":                 {p.guard(t, iapConfig()), Ingest, http.Header{"Authorization": {"Bearer s3cret"}}, "source", ByToken, ""},
		"a token and a user":      {p.guard(t, iapConfig()), Ingest, http.Header{"Authorization": {"Bearer s3cret"}, assertionHeader: {good}}, "source", ByToken, ""},
		"a token decides":         {p.guard(t, iapConfig()), Read, http.Header{"Authorization": {"Bearer s3cret"}, assertionHeader: {good}}, "", "", fault.Forbidden},
		"the proxy's own token":   {p.guard(t, both), Read, http.Header{"Authorization": {"Bearer " + good}, assertionHeader: {good}}, "kate@example.com", ByIAP, ""},
		"as a bearer token":       {p.guard(t, both), Read, http.Header{"Authorization": {"Bearer " + good}}, "", "", fault.Unauthenticated},
		"no proxy is configured":  {tokens, Read, http.Header{assertionHeader: {good}}, "", "", fault.Unauthenticated},
		"no auth is configured":   {open, Read, http.Header{assertionHeader: {good}}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, by, code := asks(t, c.guard, c.role, c.header)
			require.Equal(t, []any{c.who, c.by, c.code}, []any{who, by, code})
		})
	}
	_, err := New(&config.Auth{IAP: &config.IAP{}}, nil, nil)
	require.Error(t, err)
	_, err = New(&config.Auth{IAP: &config.IAP{Audiences: []string{""}}}, nil, nil)
	require.Error(t, err)
}

// While the proxy's keys cannot be fetched, nobody whose key is unknown is let in or called
// unknown, and known keys keep working. A made-up key id does not cause a fetch each time.
func TestKeysOfTheProxy(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	g := p.guard(t, iapConfig())
	// An assertion of this moment.
	with := func(kid string) fault.Code {
		times := map[string]any{"iat": p.now.Unix(), "exp": p.now.Add(10 * time.Minute).Unix()}
		_, _, code := asks(t, g, Read, http.Header{assertionHeader: {p.assertion(t, map[string]any{"kid": kid}, times, nil)}})
		return code
	}
	p.down = true
	require.Equal(t, fault.Unavailable, with("k1"))
	require.Equal(t, fault.Unavailable, with("k1"))
	require.EqualValues(t, 1, p.fetches.Load())
	_, _, code := asks(t, g, Ingest, http.Header{"Authorization": {"Bearer s3cret"}, assertionHeader: {p.assertion(t, nil, nil, nil)}})
	require.Empty(t, code, "listed tokens need no keys")

	p.down, p.now = false, p.now.Add(5*time.Second)
	require.Empty(t, with("k1"), "a failure is not kept")
	require.EqualValues(t, 2, p.fetches.Load())
	for range 20 {
		require.Equal(t, fault.Unauthenticated, with("made-up"))
	}
	require.EqualValues(t, 2, p.fetches.Load())
	p.now = p.now.Add(time.Minute)
	for range 20 {
		require.Equal(t, fault.Unauthenticated, with("made-up"))
	}
	require.EqualValues(t, 3, p.fetches.Load())

	p.served, p.now = []string{"k1", "k2"}, p.now.Add(time.Minute)
	require.Empty(t, with("k2"), "keys rotate")
	p.down, p.now = true, p.now.Add(2*time.Hour)
	require.Empty(t, with("k2"), "a known key outlasts its server")
	require.Equal(t, fault.Unavailable, with("k3"))
}

// Until is when the assertion ends, so that a live connection does not outlast it.
func TestHowLongAnAssertionHolds(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/live", nil)
	r.Header[assertionHeader] = []string{p.assertion(t, nil, nil, nil)}
	var until time.Time
	var granted []string
	require.NoError(t, p.guard(t, iapConfig()).Require(Read, func(_ http.ResponseWriter, r *http.Request) error {
		until = Until(r.Context())
		_, granted = How(r.Context())
		return nil
	})(httptest.NewRecorder(), r))
	require.True(t, until.Equal(iapTime.Add(10*time.Minute+30*time.Second)))
	require.Equal(t, []string{Operate, Read}, granted)
}

// A member may sign in both ways, and has the roles of both lists.
func TestMembersSignInByIDTokenToo(t *testing.T) {
	t.Parallel()
	g := &google{key: signingKey()}
	guard, err := New(&config.Auth{
		OIDC:    &config.OIDC{Audiences: []string{"https://gate.example"}, Members: []config.Member{{Email: "kate@example.com", Roles: []string{Ingest}}}},
		Members: []config.Member{{Email: "Kate@example.com", Roles: []string{Read}}},
	}, &http.Client{Transport: g}, nil)
	require.NoError(t, err)
	token := sign(t, map[string]any{"alg": "RS256", "kid": "k1"}, map[string]any{
		"iss": "https://accounts.google.com", "aud": "https://gate.example", "email": "kate@example.com", "email_verified": true, "exp": time.Now().Add(time.Hour).Unix(),
	}, rs256(t, g.key))
	for role, want := range map[string]fault.Code{Ingest: "", Read: "", Operate: fault.Forbidden} {
		require.Equal(t, want, ask(t, guard, role, "Bearer "+token), role)
	}
}

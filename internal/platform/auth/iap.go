package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/keyset"
)

// Identity-Aware Proxy signs an assertion about the user of each request that it lets
// through: https://cloud.google.com/iap/docs/signed-headers-howto
const (
	assertionHeader = "X-Goog-Iap-Jwt-Assertion"
	iapKeys         = "https://www.gstatic.com/iap/verify/public_key-jwk"
	iapIssuer       = "https://cloud.google.com/iap"
	iapSkew         = 30 * time.Second // as Google recommends for the times of assertions
)

// iap checks the assertions of an Identity-Aware Proxy. Only the assertion counts: the
// headers with the user's name beside it are not signed, and whoever reaches the service
// past the proxy can set them.
type iap struct {
	keys      *keyset.Set
	audiences []string
	members   map[string]roles // by lower-case address
	now       func() time.Time
}

func newIAP(cfg *config.IAP, members map[string]roles, client *http.Client, now func() time.Time) (*iap, error) {
	// Without an audience, the assertion of every other proxy would be accepted.
	if len(cfg.Audiences) == 0 || slices.Contains(cfg.Audiences, "") {
		return nil, errors.New("auth.iap.audiences: empty")
	}
	if now == nil {
		now = time.Now
	}
	return &iap{
		keys: &keyset.Set{URL: iapKeys, HTTP: client, Now: now}, audiences: cfg.Audiences, members: members, now: now,
	}, nil
}

// caller returns the user whom the assertion of r names.
func (p *iap) caller(r *http.Request) (identity, error) {
	shown := r.Header[assertionHeader]
	if len(shown) != 1 {
		return identity{}, refused(errors.New("more than one assertion"))
	}
	// The proxy signs with ES256 only. A list of one algorithm also keeps a caller from
	// choosing none, or HS256 with the public key as the secret.
	signed, err := jwt.ParseSigned(shown[0], []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return identity{}, refused(errors.New("not an assertion signed with ES256")) // err may quote it, and this is logged
	}
	keys, err := p.keys.Keys(r.Context(), signed.Headers[0].KeyID)
	if err != nil {
		return identity{}, fault.Wrap(fault.Unavailable, err, "credentials cannot be checked at the moment")
	}
	var claims struct {
		jwt.Claims
		Email string `json:"email"`
	}
	if err := signed.Claims(keys, &claims); err != nil {
		return identity{}, refused(fmt.Errorf("the assertion: %w", err))
	}
	expected := jwt.Expected{Issuer: iapIssuer, AnyAudience: p.audiences, Time: p.now()}
	if err := claims.ValidateWithLeeway(expected, iapSkew); err != nil {
		return identity{}, refused(fmt.Errorf("the assertion: %w", err))
	}
	if claims.Expiry == nil || claims.IssuedAt == nil {
		return identity{}, refused(errors.New("the assertion has no exp or no iat"))
	}
	email := lower(claims.Email)
	has, member := p.members[email]
	if !member {
		// The user is proven, so there is nothing to guess: tell them what is missing.
		return identity{}, fault.New(fault.Forbidden, "you are signed in, but your address is not in auth.members")
	}
	return identity{email, ByIAP, has, claims.Expiry.Time().Add(iapSkew)}, nil
}

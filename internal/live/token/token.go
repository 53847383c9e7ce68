// Package token checks the signed tokens (JWT) that allow a client to connect to live
// and list what it may subscribe to.
//
// A token is never accepted unchecked: while its key set cannot be fetched, keys that
// are known keep working, and a token with another key gets an error that says "not
// now" rather than "not valid".
package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/headgate/headgate/internal/platform/keyset"
	"github.com/headgate/headgate/live"
)

// ErrInvalid says that a token is not valid. Its cause is for the log, not for the
// caller.
var ErrInvalid = errors.New("the token is not valid")

// Verifier verifies tokens. Their claim "entities" lists patterns, as [Allow] takes
// them. Set either Secret or JWKSURL.
type Verifier struct {
	Secret   []byte // for HS256; at least 32 bytes
	Former   []byte // for HS256, too: the secret before the latest change; empty: none
	JWKSURL  string // of the public keys for RS256 and ES256
	Issuer   string // "" accepts any
	Audience string
	HTTP     *http.Client
	Now      func() time.Time

	once sync.Once
	keys keyset.Set
}

type claims struct {
	jwt.Claims
	Entities []string `json:"entities"`
}

const (
	clockSkew     = time.Minute
	minSecretSize = 32
)

// Grant lists the entities that a token allows, and says until when.
type Grant struct {
	Allowed func(live.Key) bool // reports whether the client may subscribe
	Until   time.Time           // when the grant ends
}

// Verify returns what the token allows, or an error that wraps [ErrInvalid], or a
// [*PatternError]. Any other error means that the token cannot be verified now.
func (v *Verifier) Verify(ctx context.Context, token string) (Grant, error) {
	algorithms := []jose.SignatureAlgorithm{jose.HS256}
	if v.JWKSURL != "" {
		algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256}
	} else if len(v.Secret) < minSecretSize {
		return Grant{}, fmt.Errorf("the secret of live.token has %d bytes, and %d is the least", len(v.Secret), minSecretSize)
	}
	signed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var c claims
	if v.JWKSURL == "" {
		err = signed.Claims(v.Secret, &c)
		if err != nil && len(v.Former) >= minSecretSize { // a shorter one could be guessed
			c = claims{}
			err = signed.Claims(v.Former, &c)
		}
	} else {
		var keys jose.JSONWebKeySet
		v.once.Do(func() { v.keys.URL, v.keys.HTTP, v.keys.Now = v.JWKSURL, v.HTTP, v.Now })
		if keys, err = v.keys.Keys(ctx, signed.Headers[0].KeyID); err != nil {
			return Grant{}, err
		}
		err = signed.Claims(keys, &c)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	expected := jwt.Expected{Issuer: v.Issuer, AnyAudience: jwt.Audience{v.Audience}, Time: v.Now()}
	if err := c.ValidateWithLeeway(expected, clockSkew); err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if c.Expiry == nil {
		return Grant{}, fmt.Errorf("%w: it has no exp", ErrInvalid)
	}
	allowed, err := Allow(c.Entities)
	if err != nil {
		return Grant{}, err
	}
	return Grant{allowed, c.Expiry.Time().Add(clockSkew)}, nil
}

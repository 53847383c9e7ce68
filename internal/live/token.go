package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
)

// ErrToken says that a token is not valid. Do not show its cause to the caller.
var ErrToken = errors.New("live: the token is not valid")

// Tokens checks signed tokens (JWT), whose claim "entities" lists what they may
// subscribe to: "items/100", "items/*", "acme/items/*" or "*".
type Tokens struct {
	Secret   []byte // HS256
	JWKSURL  string // RS256 and ES256
	Issuer   string // "": any
	Audience string
	HTTP     *http.Client
	Now      func() time.Time

	asking  sync.Mutex // the keys; taken before mu
	mu      sync.Mutex
	keys    jose.JSONWebKeySet
	fetched time.Time
	tried   time.Time // and failed
	failure error
}

type claims struct {
	jwt.Claims
	Entities []string `json:"entities"`
}

const (
	keysFor    = time.Hour
	keysAgain  = 30 * time.Second // at the least between two fetches, for keys that are not known
	keysRetry  = 2 * time.Second  // and after one that failed
	clockSkew  = time.Minute
	maxKeySet  = 1 << 20
	minKeySize = 32
)

// Grant is what a token allows.
type Grant struct {
	Allowed func(Key) bool // to subscribe to
	Until   time.Time
}

// Check returns what the token allows, or ErrToken. Any other error is that it cannot
// be found out now.
func (t *Tokens) Check(ctx context.Context, token string) (Grant, error) {
	algorithms := []jose.SignatureAlgorithm{jose.HS256}
	if t.JWKSURL != "" {
		algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256}
	} else if len(t.Secret) < minKeySize {
		return Grant{}, fmt.Errorf("the secret of live.token has %d bytes, and %d is the least", len(t.Secret), minKeySize)
	}
	signed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	var c claims
	if t.JWKSURL == "" {
		err = signed.Claims(t.Secret, &c)
	} else {
		var keys jose.JSONWebKeySet
		if keys, err = t.keySet(ctx, signed.Headers[0].KeyID); err != nil {
			return Grant{}, err
		}
		err = signed.Claims(keys, &c)
	}
	if err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	expected := jwt.Expected{Issuer: t.Issuer, AnyAudience: jwt.Audience{t.Audience}, Time: t.Now()}
	if err := c.ValidateWithLeeway(expected, clockSkew); err != nil {
		return Grant{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if c.Expiry == nil {
		return Grant{}, fmt.Errorf("%w: it has no exp", ErrToken)
	}
	return Grant{Allow(c.Entities), c.Expiry.Time().Add(clockSkew)}, nil
}

// keySet returns the public keys, fetched again if they are old or lack the key. Old
// ones that have it do until others can be had.
func (t *Tokens) keySet(ctx context.Context, id string) (jose.JSONWebKeySet, error) {
	keys, known, stands, err := t.kept(id)
	switch {
	case stands:
		return keys, err
	case !known:
		t.asking.Lock()
	case !t.asking.TryLock():
		return keys, nil
	}
	defer t.asking.Unlock()
	if keys, known, stands, err = t.kept(id); stands { // somebody asked meanwhile
		return keys, err
	}
	fetched, err := t.fetchKeys(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failure = err; err == nil {
		t.keys, t.fetched = fetched, t.Now()
		return fetched, nil
	}
	if t.tried = t.Now(); known {
		return keys, nil
	}
	return keys, err
}

// kept are the keys that were fetched, whether the key is among them, and whether that
// stands, with the error, for now.
func (t *Tokens) kept(id string) (keys jose.JSONWebKeySet, known, stands bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Now()
	over := func(since time.Time, d time.Duration) bool { return clock.Over(since.Add(d), now, d) }
	known = len(t.keys.Key(id)) > 0
	switch {
	case !over(t.fetched, keysFor) && (known || !over(t.fetched, keysAgain)):
		return t.keys, known, true, nil
	case t.failure == nil || over(t.tried, keysRetry):
		return t.keys, known, false, nil
	case known:
		return t.keys, known, true, nil
	}
	return t.keys, known, true, t.failure
}

func (t *Tokens) fetchKeys(ctx context.Context) (keys jose.JSONWebKeySet, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout) // others wait for them too
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.JWKSURL, nil)
	if err != nil {
		return keys, errors.New("the keys' URL cannot be called")
	}
	resp, err := t.HTTP.Do(req)
	if err != nil {
		return keys, fmt.Errorf("the keys are not answered: %w", fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return keys, fmt.Errorf("the keys are answered with %s", fault.Status(resp.StatusCode))
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxKeySet)).Decode(&keys); err != nil {
		return keys, fmt.Errorf("the keys are not a key set: %w", err)
	}
	return keys, nil
}

// Allow returns whether a key is among the patterns.
func Allow(patterns []string) func(Key) bool {
	return func(k Key) bool {
		full := k.Org + "/" + k.Type + "/" + k.ID
		short := k.Entity() + "/" + k.ID
		for _, p := range patterns {
			if p == "*" || p == full || p == short {
				return true
			}
			if prefix, ok := strings.CutSuffix(p, "/*"); ok && (prefix == k.Org+"/"+k.Type || prefix == k.Entity()) {
				return true
			}
		}
		return false
	}
}

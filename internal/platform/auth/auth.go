// Package auth decides who may call. Callers show a bearer token: one that the
// configuration knows the hash of, or a Google-signed ID token of one of its
// members. Whatever is wrong with a token, its sender learns only that it is
// not valid. Tokens are never logged. If Google's certificates cannot be had,
// ID tokens are neither accepted nor refused: the caller should try again.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/bearer"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// The roles.
const (
	Ingest  = "ingest"  // send events
	Operate = "operate" // change what is going on: replay, release, delete
	Read    = "read"    // look
	Any     = ""        // one of them, whichever
)

type roles uint8

var roleBits = map[string]roles{Ingest: 1, Operate: 2, Read: 4, Any: 1 | 2 | 4}

func parseRoles(names []string) (roles, error) {
	var rs roles
	for _, n := range names {
		bit, ok := roleBits[n]
		if !ok || n == Any {
			return 0, fmt.Errorf("unknown role %q", n)
		}
		rs |= bit
	}
	return rs, nil
}

type token struct {
	name  string
	hash  [sha256.Size]byte
	roles roles
}

// caller is who has shown a token.
type caller struct {
	name  string // of the token, or the member's address
	roles roles
	until time.Time // that the token is valid; zero: it does not expire
}

type callerKey struct{}

// Caller is the name of who makes a request that a Guard let through: of the token, or
// the member's address; "" where nobody is asked.
func Caller(ctx context.Context) string {
	who, _ := ctx.Value(callerKey{}).(caller)
	return who.name
}

// Until returns when the token expires that made a Guard let the request through; zero
// where it does not expire, and where nobody is asked. What outlasts its request, as
// a live connection does, has to end then.
func Until(ctx context.Context) time.Time {
	who, _ := ctx.Value(callerKey{}).(caller)
	return who.until
}

// Guard lets through those who may. Its zero value lets everybody through.
type Guard struct {
	closed bool // somebody is checked
	tokens []token
	oidc   *oidc
}

// Option changes how a Guard is made.
type Option func(*options)

type options struct{ client *http.Client }

// WithHTTPClient fetches Google's certificates with c.
func WithHTTPClient(c *http.Client) Option { return func(o *options) { o.client = c } }

// New returns the Guard of cfg; nil means that everybody may do everything.
func New(cfg *config.Auth, opts ...Option) (*Guard, error) {
	if cfg == nil {
		return &Guard{}, nil
	}
	var o options
	for _, f := range opts {
		f(&o)
	}
	g := &Guard{closed: true}
	for i, t := range cfg.Tokens {
		hash, err := hex.DecodeString(t.SHA256)
		if err != nil || len(hash) != sha256.Size {
			return nil, fmt.Errorf("auth.tokens[%d].sha256: not 64 hexadecimal digits", i)
		}
		rs, err := parseRoles(t.Roles)
		if err != nil {
			return nil, fmt.Errorf("auth.tokens[%d].roles: %w", i, err)
		}
		g.tokens = append(g.tokens, token{name: t.Name, hash: [sha256.Size]byte(hash), roles: rs})
	}
	if cfg.OIDC != nil {
		var err error
		if g.oidc, err = newOIDC(cfg.OIDC, o.client); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Require lets those who have the role through to h. Others get
// fault.Unauthenticated or fault.Forbidden, or fault.Unavailable if who they
// are cannot be found out at the moment. It panics if there is no such role.
func (g *Guard) Require(role string, h web.Handler) web.Handler {
	need, ok := roleBits[role]
	if !ok {
		panic("auth: no such role: " + role)
	}
	if !g.closed {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		who, err := g.caller(r)
		if err != nil {
			return err
		}
		if who.roles&need == 0 {
			return fault.New(fault.Forbidden, "not allowed")
		}
		return h(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	}
}

var errInvalid = errors.New("no such token")

func refused(cause error) error {
	return fault.Wrap(fault.Unauthenticated, cause, "credentials are missing or not valid")
}

func (g *Guard) caller(r *http.Request) (caller, error) {
	credentials, ok := bearer.Token(r.Header)
	if !ok {
		return caller{}, refused(errors.New("no bearer token"))
	}
	// Each entry takes the same time, whether or not it is the one.
	hash := sha256.Sum256([]byte(credentials))
	var who caller
	found, at := 0, 0
	for i := range g.tokens {
		same := subtle.ConstantTimeCompare(hash[:], g.tokens[i].hash[:])
		found |= same
		at = subtle.ConstantTimeSelect(same, i, at)
		who.roles |= g.tokens[i].roles * roles(same)
	}
	if found == 1 {
		who.name = g.tokens[at].name
		return who, nil
	}
	if g.oidc == nil || strings.Count(credentials, ".") != 2 {
		return caller{}, refused(errInvalid)
	}
	return g.oidc.caller(r.Context(), credentials)
}

// Package auth decides which callers may use which function. A caller shows a
// bearer token: one whose hash the configuration lists, or an ID token that
// Google signed for one of the configured members.
//
// A caller with a wrong token learns only that it is not valid, because details
// would help to guess one. Tokens are never logged. While Google's certificates
// cannot be fetched, ID tokens are neither accepted nor rejected: the answer is
// 503, and the caller should retry.
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
	Operate = "operate" // change state: replay, release, delete
	Read    = "read"    // read state, change nothing
	Any     = ""        // at least one of the roles above
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

// identity is that of an authenticated caller.
type identity struct {
	name  string // of the token, or the member's address
	roles roles
	until time.Time // when the token expires; zero: never
}

type callerKey struct{}

// Caller returns the name of the authenticated caller: the token's name, or the
// member's address. It is "" where no authentication is configured.
func Caller(ctx context.Context) string {
	who, _ := ctx.Value(callerKey{}).(identity)
	return who.name
}

// Until returns when the caller's token expires. It is zero for a token that does not
// expire, and where no authentication is configured. A live connection outlasts its
// request, so it must be closed at that time.
func Until(ctx context.Context) time.Time {
	who, _ := ctx.Value(callerKey{}).(identity)
	return who.until
}

// Guard lets authorized requests through. The zero Guard lets every request through.
type Guard struct {
	closed bool // authentication is configured
	tokens []token
	oidc   *oidc
}

// New returns the Guard that cfg describes. A nil cfg allows everything to everybody.
// client fetches Google's certificates; nil: a client with the default transport.
func New(cfg *config.Auth, client *http.Client) (*Guard, error) {
	if cfg == nil {
		return &Guard{}, nil
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
		if g.oidc, err = newOIDC(cfg.OIDC, client); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Require returns a handler that passes requests of callers with the role to h.
// Other requests get fault.Unauthenticated or fault.Forbidden, or fault.Unavailable
// if the caller's identity cannot be checked now. Require panics on an unknown role.
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

func (g *Guard) caller(r *http.Request) (identity, error) {
	credentials, ok := bearer.Token(r.Header)
	if !ok {
		return identity{}, refused(errors.New("no bearer token"))
	}
	// Every entry is compared in constant time, and the loop does not stop at a match:
	// the duration must not tell a guesser how close a token was.
	hash := sha256.Sum256([]byte(credentials))
	var who identity
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
		return identity{}, refused(errInvalid)
	}
	return g.oidc.caller(r.Context(), credentials)
}

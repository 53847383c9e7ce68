// Package auth decides which callers may use which function. A caller shows a
// bearer token: one whose hash the configuration lists, or an ID token that
// Google signed for one of the configured members. Or an Identity-Aware Proxy
// stands in front, and signs an assertion about its user, who is a member.
//
// A caller with a wrong token learns only that it is not valid, because details
// would help to guess one. Tokens are never logged. While Google's keys cannot be
// fetched, ID tokens and assertions are neither accepted nor rejected: the answer
// is 503, and the caller should retry.
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
	by    string // how the caller proved it: ByIAP, ByIDToken or ByToken
	roles roles
	until time.Time // when the token expires; zero: never
}

// How a caller proves who they are.
const (
	ByIAP     = "iap"     // by an assertion of an Identity-Aware Proxy
	ByIDToken = "idToken" // by an ID token of Google
	ByToken   = "token"   // by a token that the configuration lists
)

type callerKey struct{}

// How returns how the caller proved who they are, and their roles. by is "" where no
// authentication is configured: there everybody has every role.
func How(ctx context.Context) (by string, granted []string) {
	who, signedIn := ctx.Value(callerKey{}).(identity)
	for _, role := range []string{Ingest, Operate, Read} {
		if !signedIn || who.roles&roleBits[role] != 0 {
			granted = append(granted, role)
		}
	}
	return who.by, granted
}

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
	iap    *iap
}

// New returns the Guard that cfg describes. A nil cfg allows everything to everybody.
// client fetches Google's keys; nil: a client with the default transport. now is for the
// times of assertions; nil: time.Now.
func New(cfg *config.Auth, client *http.Client, now func() time.Time) (*Guard, error) {
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
	members, err := membersOf("auth.members", cfg.Members)
	if err != nil {
		return nil, err
	}
	client = googleClient(client)
	if cfg.IAP != nil {
		if g.iap, err = newIAP(cfg.IAP, members, client, now); err != nil {
			return nil, err
		}
	}
	if cfg.OIDC != nil {
		if g.oidc, err = newOIDC(cfg.OIDC, members, client); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// membersOf returns the roles of the members by their address in lower case.
func membersOf(path string, list []config.Member) (map[string]roles, error) {
	members := make(map[string]roles, len(list))
	for i, m := range list {
		rs, err := parseRoles(m.Roles)
		if err != nil {
			return nil, fmt.Errorf("%s[%d].roles: %w", path, i, err)
		}
		if m.Email == "" {
			return nil, fmt.Errorf("%s[%d].email: empty", path, i)
		}
		members[lower(m.Email)] |= rs
	}
	return members, nil
}

// googleClient returns a client for Google's public keys. It has the default transport,
// and not the one of package outbound: that one refuses internal addresses and proxies,
// because users choose the URLs of its calls. The URLs of the keys are constants, always
// https, and a deployment may well reach Google through a private endpoint or a proxy.
func googleClient(client *http.Client) *http.Client {
	var own http.Client
	if client != nil {
		own = *client
	}
	if own.Timeout == 0 {
		own.Timeout = 5 * time.Second
	}
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	return &own
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
	needed := "the role " + role
	if role == Any {
		needed = "a role"
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		who, err := g.caller(r)
		if err != nil {
			return err
		}
		if who.roles&need == 0 {
			return fault.New(fault.Forbidden, "not allowed: this needs %s", needed)
		}
		return h(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
	}
}

var errInvalid = errors.New("no such token")

func refused(cause error) error {
	return fault.Wrap(fault.Unauthenticated, cause, "credentials are missing or not valid")
}

// caller returns who sends r. A valid bearer token decides, because the caller chose it. A
// program that passes the proxy with a token for the proxy may show that one here as well,
// so next to an assertion a token that is not valid does no harm.
func (g *Guard) caller(r *http.Request) (identity, error) {
	who, err := g.bearer(r)
	if err == nil || g.iap == nil || len(r.Header[assertionHeader]) == 0 {
		return who, err
	}
	if who, err = g.iap.caller(r); err == nil && web.FromAnyPage(r) {
		return identity{}, errAnyPage
	}
	return who, err
}

// errAnyPage refuses a page that may act only because pages of every origin may. The
// proxy knows its user by a cookie, which the browser adds for such a page as well.
var errAnyPage = fault.New(fault.Forbidden, "a page of another origin may not act for the user who is signed in: list its origin in cors.allowedOrigins, or use a token")

func (g *Guard) bearer(r *http.Request) (identity, error) {
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
		who.name, who.by = g.tokens[at].name, ByToken
		return who, nil
	}
	if g.oidc == nil || strings.Count(credentials, ".") != 2 {
		return identity{}, refused(errInvalid)
	}
	return g.oidc.caller(r.Context(), credentials)
}

package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/idtoken"
	"google.golang.org/api/option"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
)

var issuers = []string{"https://accounts.google.com", "accounts.google.com"}

// oidc checks Google's ID tokens. Package idtoken verifies signature, expiry and
// audience. It does not verify the issuer, nor that Google has verified the caller's
// address, so caller does.
type oidc struct {
	validator *idtoken.Validator
	audiences []string
	members   map[string]roles // by lower-case address
}

func newOIDC(cfg *config.OIDC, members map[string]roles, client *http.Client) (*oidc, error) {
	// idtoken takes an empty audience for "any audience", which would accept the
	// tokens of every other service.
	if len(cfg.Audiences) == 0 || slices.Contains(cfg.Audiences, "") {
		return nil, errors.New("auth.oidc.audiences: empty")
	}
	own, err := membersOf("auth.oidc.members", cfg.Members)
	if err != nil {
		return nil, err
	}
	for email, rs := range members {
		own[email] |= rs
	}
	o := &oidc{audiences: cfg.Audiences, members: own}
	base := *client
	base.Transport = certificates{base.Transport}
	if o.validator, err = idtoken.NewValidator(context.Background(), option.WithHTTPClient(&base)); err != nil {
		return nil, fmt.Errorf("auth.oidc: %w", err)
	}
	return o, nil
}

func (o *oidc) caller(ctx context.Context, jwt string) (identity, error) {
	// Google signs ID tokens with RS256 only. (idtoken also takes ES256, and
	// panics if such a signature is short.)
	if alg := algorithm(jwt); alg != "RS256" {
		return identity{}, refused(errors.New("not signed with RS256"))
	}
	claimed, err := idtoken.ParsePayload(jwt)
	if err != nil {
		return identity{}, refused(errors.New("not an ID token")) // err may quote the token, and this is logged
	}
	if !slices.Contains(o.audiences, claimed.Audience) {
		return identity{}, refused(errors.New("for another audience"))
	}
	p, err := o.validator.Validate(ctx, jwt, claimed.Audience)
	if err != nil {
		if _, ok := errors.AsType[*fetchError](err); ok || ctx.Err() != nil {
			return identity{}, fault.Wrap(fault.Unavailable, err, "credentials cannot be checked at the moment")
		}
		return identity{}, refused(err)
	}
	email, _ := p.Claims["email"].(string)
	verified, _ := p.Claims["email_verified"].(bool)
	has, member := o.members[lower(email)]
	switch {
	case !slices.Contains(issuers, p.Issuer):
		return identity{}, refused(errors.New("not issued by Google"))
	case !verified:
		return identity{}, refused(errors.New("the address is not verified"))
	case !member:
		return identity{}, refused(errors.New("not a member"))
	}
	return identity{lower(email), ByIDToken, has, time.Unix(p.Expires, 0)}, nil
}

func algorithm(jwt string) string {
	head, _, _ := strings.Cut(jwt, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return ""
	}
	var h struct {
		Alg string `json:"alg"`
	}
	if json.Unmarshal(b, &h) != nil {
		return ""
	}
	return h.Alg
}

// lower lowers ASCII letters only. strings.ToLower also maps other characters to ASCII
// (the Kelvin sign becomes k), and two different addresses would become equal.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// fetchError marks a failure to fetch the certificates. idtoken reports it in the same
// way as an invalid token, but only this one is worth a retry.
type fetchError struct{ err error }

func (e *fetchError) Error() string { return "fetch Google's certificates: " + e.err.Error() }
func (e *fetchError) Unwrap() error { return e.err }

// certificates is a transport that returns the complete set of certificates, or a
// fetchError. It reads the body itself, so that an answer that breaks off is not taken
// for an invalid token.
type certificates struct{ base http.RoundTripper }

func (c certificates) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(r)
	if err != nil {
		return nil, &fetchError{err}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &fetchError{fmt.Errorf("status %d", resp.StatusCode)}
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, &fetchError{err}
	}
	var keys struct {
		Keys []struct {
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(b, &keys); err != nil || len(keys.Keys) == 0 {
		return nil, &fetchError{errors.New("the answer holds no keys")}
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	resp.ContentLength = int64(len(b))
	return resp, nil
}

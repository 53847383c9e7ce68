// Package googletoken gets tokens for the account that this process runs as: from the
// metadata server on Google Cloud, and elsewhere from the application default credentials.
package googletoken

import (
	"context"
	"strings"
	"sync"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/idtoken"

	"github.com/headgate/headgate/internal/platform/fault"
)

// Source returns tokens and caches them until shortly before they expire. Its methods may
// be called concurrently. The zero value is ready.
type Source struct {
	mu    sync.Mutex
	known map[string]*auth.Credentials // by kind and audience or scopes: few, as the configuration has them
}

// OIDC returns an ID token for the audience. Unavailable: there is no account, or it may
// not have such tokens, as that of a user may not.
func (s *Source) OIDC(ctx context.Context, audience string) (string, error) {
	return s.token(ctx, "OIDC "+audience, func() (*auth.Credentials, error) {
		return idtoken.NewCredentials(&idtoken.Options{Audience: audience})
	})
}

// OAuth returns an access token with the scopes. Unavailable: there is no account.
func (s *Source) OAuth(ctx context.Context, scopes []string) (string, error) {
	return s.token(ctx, "OAuth "+strings.Join(scopes, " "), func() (*auth.Credentials, error) {
		return credentials.DetectDefault(&credentials.DetectOptions{Scopes: scopes})
	})
}

func (s *Source) token(ctx context.Context, what string, detect func() (*auth.Credentials, error)) (string, error) {
	kind, _, _ := strings.Cut(what, " ")
	known, err := s.credentials(what, detect)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "there are no Google Cloud credentials for a token (%s)", kind)
	}
	token, err := known.Token(ctx)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "Google Cloud gives no token (%s)", kind)
	}
	return token.Value, nil
}

// credentials returns those for a kind of token. A failure to find some is not remembered.
func (s *Source) credentials(what string, detect func() (*auth.Credentials, error)) (*auth.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known[what]; known != nil {
		return known, nil
	}
	found, err := detect()
	if err != nil {
		return nil, err
	}
	if s.known == nil {
		s.known = make(map[string]*auth.Credentials)
	}
	s.known[what] = found
	return found, nil
}

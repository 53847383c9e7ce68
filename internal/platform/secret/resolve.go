// Package secret resolves references to credentials. Its Policy decides which of them a
// definition may use, and to which hosts they may be sent.
package secret

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/auth/credentials"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
)

// remembered is the time for which a secret of Secret Manager is cached.
const remembered = 5 * time.Minute

// Resolver returns the credentials that references name. Its methods may be called
// concurrently.
type Resolver struct {
	Getenv func(string) string
	HTTP   *http.Client
	// Endpoint of Secret Manager; "": Google's.
	Endpoint string
	// Token returns an access token for Secret Manager; nil: use the environment's
	// credentials.
	Token func(context.Context) (string, error)
	Now   func() time.Time
	// Policy applies to the references of definitions: see For.
	Policy Policy

	mu    sync.Mutex
	known map[string]known
}

type known struct {
	value string
	until time.Time
}

// For resolves a reference of a definition, whose credential is to be sent to the
// host:port. It fails if the policy does not allow that.
func (r *Resolver) For(ctx context.Context, ref, to string) (string, error) {
	if err := r.Policy.Check(ref, to); err != nil {
		return "", err
	}
	return r.Resolve(ctx, ref)
}

// Resolve returns a credential: from the environment for "env:NAME", from Secret Manager
// for "sm://projects/P/secrets/S[/versions/V]", and otherwise the value itself. It does
// not apply the policy. It is for the references of the configuration, whose author runs
// the process and has its secrets anyway.
func (r *Resolver) Resolve(ctx context.Context, value string) (string, error) {
	if name, ok := strings.CutPrefix(value, "env:"); ok {
		v := r.Getenv(name)
		if v == "" {
			return "", fault.New(fault.Invalid, "the environment variable %s, which holds a credential, is not set", name)
		}
		return v, nil
	}
	if !credential.IsManaged(value) {
		return value, nil
	}
	name, ok := credential.Managed(value)
	if !ok {
		return "", fault.New(fault.Invalid, "%q is not the name of a secret: sm://projects/P/secrets/S/versions/V", value)
	}
	r.mu.Lock()
	k, ok := r.known[name]
	r.mu.Unlock()
	if ok && r.Now().Before(k.until) {
		return k.value, nil
	}
	v, err := r.access(ctx, name)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[string]known)
	}
	r.known[name] = known{v, r.Now().Add(remembered)}
	return v, nil
}

func (r *Resolver) access(ctx context.Context, name string) (string, error) {
	token, err := r.accessToken(ctx)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "there are no Google Cloud credentials to read the secret %s with", name)
	}
	endpoint := r.Endpoint
	if endpoint == "" {
		endpoint = "https://secretmanager.googleapis.com"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/v1/"+name+":access", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := r.HTTP.Do(req)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "Secret Manager does not answer")
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return "", fault.New(fault.Invalid, "there is no secret %s", name)
	case http.StatusForbidden:
		return "", fault.New(fault.Invalid, "the secret %s may not be read: grant roles/secretmanager.secretAccessor", name)
	case http.StatusBadRequest:
		return "", fault.New(fault.Invalid, "the secret %s cannot be read: the version may be disabled or destroyed", name)
	default:
		return "", fault.New(fault.Unavailable, "Secret Manager answered %s", fault.Status(resp.StatusCode))
	}
	var answer struct {
		Payload struct {
			Data string `json:"data"`
		} `json:"payload"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "Secret Manager's answer cannot be read")
	}
	data, err := base64.StdEncoding.DecodeString(answer.Payload.Data)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "Secret Manager's answer cannot be read")
	}
	return string(data), nil
}

func (r *Resolver) accessToken(ctx context.Context) (string, error) {
	if r.Token != nil {
		return r.Token(ctx)
	}
	creds, err := credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"}})
	if err != nil {
		return "", err
	}
	t, err := creds.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("no token: %w", err)
	}
	return t.Value, nil
}

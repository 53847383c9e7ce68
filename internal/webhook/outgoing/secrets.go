package outgoing

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/signature"
)

const (
	// overlap is the time for which webhooks are still signed with a secret that was replaced.
	overlap = 24 * time.Hour
	// maxFormer is the most replaced secrets that webhooks are signed with.
	maxFormer = 4
)

// Former is a secret that was replaced, and with which webhooks are still signed.
type Former struct {
	Secret string    `json:"secret,omitempty"`
	Until  time.Time `json:"until"`
}

// checkSecret returns what keeps a secret from signing webhooks.
func checkSecret(secret string) error {
	if !strings.HasPrefix(secret, "whsec_") || signature.CheckSecret(secret) != nil {
		return fault.New(fault.Invalid, "secret must be whsec_ and base64 of 16 bytes or more")
	}
	return nil
}

// Rotate gives the target a new secret, or makes one if it is "", and returns the target
// with it. For a day, webhooks are signed with both, so that the receiver has time to
// learn the new one. A secret that the target already has changes nothing, so a request
// that names one can be repeated. Conflict: too many secrets are valid.
func (s *Service) Rotate(ctx context.Context, id, secret string) (*Target, error) {
	if secret == "" {
		secret = signature.NewSecret()
	} else if err := checkSecret(secret); err != nil {
		return nil, err
	}
	for {
		t, err := s.targets.find(ctx, id)
		if err != nil {
			return nil, err
		}
		if t.Secret == secret {
			return t.withSecret(secret), nil
		}
		now := s.now()
		t.Former = append(t.former(now), Former{t.Secret, now.Add(overlap)})
		if len(t.Former) > maxFormer {
			return nil, fault.New(fault.Conflict, "webhook %q has %d earlier secrets that are still valid: rotate again after %s", id, maxFormer, t.Former[0].Until.Format(time.RFC3339))
		}
		t.Secret = secret
		_, err = s.docs.Commit(ctx, []store.Write{t.write()})
		if !errors.Is(err, store.ErrConflict) {
			s.changed()
			return t.withSecret(secret), err
		}
	}
}

// withSecret returns the target as its owner sees it once: with the new secret, and no other.
func (t *Target) withSecret(secret string) *Target {
	t.hideSecrets()
	t.Secret, t.URL = secret, credential.RedactURL(t.URL)
	return t
}

// former returns the replaced secrets that are still valid, the earliest first.
func (t *Target) former(now time.Time) []Former {
	return slices.DeleteFunc(slices.Clone(t.Former), func(f Former) bool { return !now.Before(f.Until) })
}

// sign returns the headers of a webhook.
func (t *Target) sign(id string, now time.Time, body []byte) (http.Header, error) {
	var former []string
	for _, f := range t.former(now) {
		former = append(former, f.Secret)
	}
	return signature.Sign(t.Secret, id, now, body, former...)
}

// hideSecrets leaves out all that signs.
func (t *Target) hideSecrets() {
	t.Secret, t.Former = "", slices.Clone(t.Former)
	for i := range t.Former {
		t.Former[i].Secret = ""
	}
}

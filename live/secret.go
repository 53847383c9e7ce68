package live

import (
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"
)

const maxSecret = 8 << 10 // bytes

// A SecretError says why a client's secret cannot be used, for example because it cannot
// be sent to the service that would judge it. A [Resolver] or [Options.PassThrough] may
// return one. A Versioned client gets the reason with the error "invalid", a Plain one is
// closed with it (1008).
type SecretError struct{ Reason string }

// Error returns the reason. It must not repeat the secret.
func (e *SecretError) Error() string { return e.Reason }

// checkSecret returns an error if the secret is too long or is not text.
func checkSecret(secret string) error {
	switch {
	case len(secret) > maxSecret:
		return &SecretError{fmt.Sprintf("the secret must have at most %d bytes", maxSecret)}
	case !utf8.ValidString(secret):
		return &SecretError{"the secret must be UTF-8"}
	}
	return nil
}

// checkAccess refuses a client whose secret cannot be used.
func checkAccess(access Access) error {
	if err := checkSecret(access.Secret); err != nil {
		return refuse(http.StatusBadRequest, err.Error(), 0)
	}
	return nil
}

// refuseSecret tells the clients of a group that their secret cannot be used, and after a
// change those that are subscribed to all of its type as well.
func (h *Hub) refuseSecret(g *group, forced bool, err error) {
	reason := err.Error()
	if secret, is := errors.AsType[*SecretError](err); is {
		reason = secret.Reason
	}
	h.tellDenied(g, forced, "invalid", reason)
	var plain []*client
	sh := h.shard(g.key)
	sh.mu.Lock()
	for s := range g.subs {
		if s.client.protocol == Plain {
			plain = append(plain, s.client)
		}
	}
	sh.mu.Unlock()
	for _, c := range plain { // close takes the locks of its subscriptions
		c.close(closePolicy, reason)
	}
	if !forced {
		return
	}
	sh = h.shard(g.key.anyOfType())
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if of := sh.find(g.key.anyOfType(), g.secret); of != nil {
		for s := range of.subs {
			s.fail("invalid", reason)
		}
	}
}

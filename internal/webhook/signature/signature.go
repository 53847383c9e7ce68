// Package signature signs webhooks and verifies them: Standard Webhooks
// (https://www.standardwebhooks.com, v1 and v1a), the signatures of senders that have a
// form of their own (see [Scheme]), and bearer tokens. It is pure, and its comparisons take
// constant time.
package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/bearer"
)

// Headers of Standard Webhooks.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Prefixes of secrets.
const (
	secretPrefix  = "whsec_" // v1: shared
	privatePrefix = "whsk_"  // v1a: ed25519, to sign with
	publicPrefix  = "whpk_"  // v1a: to verify with
)

// Tolerance is the largest difference between a timestamp and now.
const Tolerance = 5 * time.Minute

// Errors of webhooks that are refused.
var (
	ErrUnsigned  = errors.New("webhook: it is not signed") // wrapped with what is missing
	ErrTimestamp = errors.New("webhook: its timestamp is malformed, or too far from now")
	ErrSignature = errors.New("webhook: no signature matches")
	ErrID        = errors.New("webhook: its id must not have a full stop, which ends the id in the signed text")
	ErrSecret    = errors.New("webhook: a secret is malformed: it must be whsec_ or whpk_ and base64")
)

// unsigned returns ErrUnsigned with what is missing. It must not show what the webhook has.
func unsigned(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsigned, fmt.Sprintf(format, args...))
}

// without returns the error of a webhook that lacks a header.
func without(header string) error { return unsigned("the header %s is missing", header) }

// NewSecret returns a shared secret.
func NewSecret() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b)
}

// Sign returns the headers of a webhook. The secret is whsec_… (v1) or whsk_… (v1a). The
// id must not have a full stop. While a secret is rotated, the former ones sign as well:
// Standard Webhooks separates the signatures by spaces, and the receiver needs one that
// fits. An empty former secret signs nothing.
func Sign(secret, id string, at time.Time, body []byte, former ...string) (http.Header, error) {
	if strings.Contains(id, ".") {
		return nil, ErrID
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signed := content(id, timestamp, body)
	all, err := sign(secret, signed)
	if err != nil {
		return nil, err
	}
	for _, f := range former {
		if f == "" {
			continue
		}
		more, err := sign(f, signed)
		if err != nil {
			return nil, err
		}
		all += " " + more
	}
	return http.Header{HeaderID: {id}, HeaderTimestamp: {timestamp}, HeaderSignature: {all}}, nil
}

// sign returns one signature, as it stands in the header.
func sign(secret string, signed []byte) (string, error) {
	if strings.HasPrefix(secret, privatePrefix) {
		key, err := decode(secret, privatePrefix)
		if err != nil || len(key) != ed25519.PrivateKeySize && len(key) != ed25519.SeedSize {
			return "", ErrSecret
		}
		private := ed25519.PrivateKey(key)
		if len(key) == ed25519.SeedSize {
			private = ed25519.NewKeyFromSeed(key)
		}
		return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(private, signed)), nil
	}
	key, err := decode(secret, secretPrefix)
	if err != nil || len(key) == 0 {
		return "", ErrSecret
	}
	return "v1," + base64.StdEncoding.EncodeToString(mac(key, signed)), nil
}

// content returns the bytes to sign. They describe one webhook only if neither the id nor
// the timestamp has a full stop. Sign and Verify refuse such an id, and a timestamp is an
// integer.
func content(id, timestamp string, body []byte) []byte {
	b := make([]byte, 0, len(id)+len(timestamp)+len(body)+2)
	b = append(append(b, id...), '.')
	b = append(append(b, timestamp...), '.')
	return append(b, body...)
}

func mac(key, signed []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(signed) // never fails
	return h.Sum(nil)
}

func decode(secret, prefix string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, prefix))
}

// CheckSecret returns an error if the secret cannot verify webhooks.
func CheckSecret(secret string) error {
	if strings.HasPrefix(secret, publicPrefix) {
		if key, err := decode(secret, publicPrefix); err != nil || len(key) != ed25519.PublicKeySize {
			return ErrSecret
		}
		return nil
	}
	if key, err := decode(secret, secretPrefix); err != nil || len(key) < 16 {
		return ErrSecret
	}
	return nil
}

// Verify checks a Standard Webhook with each of the secrets, whsec_… (v1) or whpk_… (v1a),
// until one fits: there are several while a secret is rotated. It returns the webhook's id.
func Verify(secrets []string, h http.Header, body []byte, now time.Time) (id string, err error) {
	id, timestamp, signatures := h.Get(HeaderID), h.Get(HeaderTimestamp), h.Get(HeaderSignature)
	if signatures == "" { // Svix had the headers before they were standard
		id, timestamp, signatures = h.Get("Svix-Id"), h.Get("Svix-Timestamp"), h.Get("Svix-Signature")
	}
	switch "" {
	case signatures:
		return "", without(HeaderSignature)
	case id:
		return "", without(HeaderID)
	case timestamp:
		return "", without(HeaderTimestamp)
	}
	if strings.Contains(id, ".") {
		return "", ErrID
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return "", ErrTimestamp
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > Tolerance || d < -Tolerance {
		return "", ErrTimestamp
	}
	signed := content(id, timestamp, body)
	given := signaturesOf(signatures)
	for _, secret := range secrets {
		if matches(secret, given, signed) {
			return id, nil
		}
	}
	return "", ErrSignature
}

// maxSignatures bounds the work for a webhook whose sender is not known yet. A sender
// that rotates its secret sends several signatures.
const maxSignatures = 16

type signature struct {
	version string
	bytes   []byte
}

func signaturesOf(header string) (all []signature) {
	for one := range strings.FieldsSeq(header) {
		if len(all) == maxSignatures {
			break
		}
		version, text, _ := strings.Cut(one, ",")
		if b, err := base64.StdEncoding.DecodeString(text); err == nil && (version == "v1" || version == "v1a") {
			all = append(all, signature{version, b})
		}
	}
	return all
}

// matches reports whether the secret made one of the signatures.
func matches(secret string, given []signature, signed []byte) bool {
	if strings.HasPrefix(secret, publicPrefix) {
		key, err := decode(secret, publicPrefix)
		return err == nil && len(key) == ed25519.PublicKeySize && slices.ContainsFunc(given, func(s signature) bool {
			return s.version == "v1a" && ed25519.Verify(key, signed, s.bytes)
		})
	}
	key, err := decode(secret, secretPrefix)
	if err != nil || len(key) == 0 {
		return false
	}
	want := mac(key, signed)
	return slices.ContainsFunc(given, func(s signature) bool { return s.version == "v1" && hmac.Equal(s.bytes, want) })
}

// VerifyBearer checks a bearer token.
func VerifyBearer(secrets []string, h http.Header) error {
	token, ok := bearer.Token(h)
	if !ok {
		return unsigned("the header Authorization has no bearer token")
	}
	have := sha256.Sum256([]byte(token))
	for _, secret := range secrets {
		want := sha256.Sum256([]byte(secret))
		if secret != "" && subtle.ConstantTimeCompare(have[:], want[:]) == 1 {
			return nil
		}
	}
	return ErrSignature
}

package client

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Errors of webhooks that are refused.
var (
	ErrUnsigned  = errors.New("headgate: the webhook has no id, timestamp or signature")
	ErrID        = errors.New("headgate: the webhook's id has a full stop, which ends the id in the signed text")
	ErrTimestamp = errors.New("headgate: the webhook's timestamp is malformed, or too far from now")
	ErrSignature = errors.New("headgate: no signature of the webhook fits")
)

// Verify checks a webhook of Headgate's, or any other Standard Webhook, and returns its id,
// which stays the same when it is sent again. Secrets are whsec_… (v1) or whpk_… (v1a): each
// of them is valid, so list two while one is rotated. The webhook must be at most five
// minutes old: see [Verifier] for another tolerance.
func Verify(header http.Header, body []byte, secrets ...string) (id string, err error) {
	return Verifier{Secrets: secrets}.Verify(header, body)
}

// Verifier verifies webhooks.
type Verifier struct {
	Secrets   []string         // whsec_… (v1) or whpk_… (v1a): each of them is valid
	Tolerance time.Duration    // the largest difference between the timestamp and now; 0 is five minutes
	Now       func() time.Time // nil is time.Now
}

// Verify checks a webhook, and returns its id. body must be the bytes as they arrived. The
// error is [ErrUnsigned], [ErrID], [ErrTimestamp] or [ErrSignature].
func (v Verifier) Verify(header http.Header, body []byte) (id string, err error) {
	id, timestamp, signatures := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp"), header.Get("Webhook-Signature")
	if id == "" || timestamp == "" || signatures == "" {
		return "", ErrUnsigned
	}
	if strings.Contains(id, ".") {
		return "", ErrID
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return "", ErrTimestamp
	}
	now, tolerance := time.Now(), 5*time.Minute
	if v.Now != nil {
		now = v.Now()
	}
	if v.Tolerance > 0 {
		tolerance = v.Tolerance
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > tolerance || d < -tolerance {
		return "", ErrTimestamp
	}
	signed := append([]byte(id+"."+timestamp+"."), body...)
	for _, secret := range v.Secrets {
		if fits := checkOf(secret, signed); fits != nil && anyOf(signatures, fits) {
			return id, nil
		}
	}
	return "", ErrSignature
}

// checkOf returns a function that reports whether the secret made a signature, in constant
// time; nil if the secret is malformed.
func checkOf(secret string, signed []byte) func(version string, signature []byte) bool {
	if public, ok := strings.CutPrefix(secret, "whpk_"); ok {
		key, err := base64.StdEncoding.DecodeString(public)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil
		}
		return func(version string, signature []byte) bool {
			return version == "v1a" && ed25519.Verify(key, signed, signature)
		}
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return nil
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(signed)
	want := mac.Sum(nil)
	return func(version string, signature []byte) bool { return version == "v1" && hmac.Equal(signature, want) }
}

// maxSignatures bounds the work for a sender that is not known yet.
const maxSignatures = 16

// anyOf reports whether one of the signatures in the header fits.
func anyOf(header string, fits func(version string, signature []byte) bool) bool {
	n := 0
	for one := range strings.FieldsSeq(header) {
		version, text, _ := strings.Cut(one, ",")
		signature, err := base64.StdEncoding.DecodeString(text)
		if err != nil || version != "v1" && version != "v1a" {
			continue
		}
		if fits(version, signature) {
			return true
		}
		if n++; n == maxSignatures {
			return false
		}
	}
	return false
}

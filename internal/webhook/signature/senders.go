package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Headers of senders that verify in a way of their own.
const (
	headerGitLab = "X-Gitlab-Token"
	headerTwilio = "X-Twilio-Signature"
)

// VerifyGitLab checks the secret token of GitLab, which is sent as it is, or a signature
// of Standard Webhooks, which GitLab sends if the webhook has a signing token. Secrets of
// the latter begin with whsec_.
func VerifyGitLab(secrets []string, h http.Header, body []byte, now time.Time) error {
	if h.Get(HeaderSignature) != "" {
		signing := slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return !strings.HasPrefix(s, secretPrefix) })
		if len(signing) > 0 {
			_, err := Verify(signing, h, body, now)
			return err
		}
	}
	token := h.Get(headerGitLab)
	if token == "" {
		return without(headerGitLab)
	}
	have := sha256.Sum256([]byte(token))
	for _, secret := range secrets {
		want := sha256.Sum256([]byte(secret))
		if secret != "" && !strings.HasPrefix(secret, secretPrefix) && subtle.ConstantTimeCompare(have[:], want[:]) == 1 {
			return nil
		}
	}
	return ErrSignature
}

// VerifyTwilio checks X-Twilio-Signature: an HMAC of the URL and of the sorted fields of a
// form. For any other body, the URL has its hash.
func VerifyTwilio(secrets []string, r Request) error {
	given, err := base64.StdEncoding.DecodeString(r.Header.Get(headerTwilio))
	switch {
	case r.Header.Get(headerTwilio) == "":
		return without(headerTwilio)
	case err != nil:
		return ErrSignature
	}
	text := r.URL
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "application/x-www-form-urlencoded" {
		fields, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return ErrSignature
		}
		text += fieldsOf(fields)
	} else if !hasHash(r.URL, r.Body) {
		return ErrSignature
	}
	for _, secret := range secrets {
		h := hmac.New(sha1.New, []byte(secret))
		_, _ = h.Write([]byte(text)) // never fails
		if secret != "" && hmac.Equal(given, h.Sum(nil)) {
			return nil
		}
	}
	return ErrSignature
}

// fieldsOf returns each name with its different values, all of them sorted.
func fieldsOf(fields url.Values) string {
	var b strings.Builder
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Clone(fields[name])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			b.WriteString(name + v)
		}
	}
	return b.String()
}

// hasHash reports whether the URL has the hash of the body.
func hasHash(called string, body []byte) bool {
	u, err := url.Parse(called)
	if err != nil {
		return false
	}
	want := sha256.Sum256(body)
	have, err := hex.DecodeString(u.Query().Get("bodySHA256"))
	return err == nil && subtle.ConstantTimeCompare(have, want[:]) == 1
}

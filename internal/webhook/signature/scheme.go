package signature

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Request has the parts of a webhook that a signature can cover.
type Request struct {
	URL    string // as the sender called it
	Header http.Header
	Body   []byte
}

// Scheme describes signatures that are an HMAC with a shared secret.
type Scheme struct {
	// Header has the signature.
	Header string
	// Form is the form of that header: "sha256={signature}", or a list such as
	// "t={timestamp},v1={signature}", in which {signature} may occur several times.
	// "": {signature}.
	Form string
	// Algorithm is sha1, sha256 (or "") or sha512.
	Algorithm string
	// Encoding is hex (or "") or base64.
	Encoding string
	// Signed is the text that is signed, with {body}, {timestamp} and {url}. "": {body}.
	Signed string
	// TimestampHeader has the seconds or milliseconds since 1970, where Form has none.
	TimestampHeader string
	// Tolerance is the largest difference between the timestamp and now; 0: [Tolerance].
	Tolerance time.Duration
}

// Names in a Scheme's texts.
const (
	signatureName = "{signature}"
	timestampName = "{timestamp}"
	bodyName      = "{body}"
	urlName       = "{url}"
)

// Presets are the schemes of senders that have one of their own.
var Presets = map[string]Scheme{
	"github":    {Header: "X-Hub-Signature-256", Form: "sha256={signature}"},
	"bitbucket": {Header: "X-Hub-Signature", Form: "sha256={signature}"},
	"stripe":    {Header: "Stripe-Signature", Form: "t={timestamp},v1={signature}", Signed: "{timestamp}.{body}"},
	"slack":     {Header: "X-Slack-Signature", Form: "v0={signature}", Signed: "v0:{timestamp}:{body}", TimestampHeader: "X-Slack-Request-Timestamp"},
	"shopify":   {Header: "X-Shopify-Hmac-Sha256", Encoding: "base64"},
}

var hashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// Fault says what is wrong with a field of a Scheme.
type Fault struct{ Field, Message string }

// Faults returns what keeps the scheme from verifying anything, or from being safe.
func (s Scheme) Faults() (all []Fault) {
	form, signed := cmp.Or(s.Form, signatureName), cmp.Or(s.Signed, bodyName)
	if s.Header == "" {
		all = append(all, Fault{"header", "must name the header that has the signature"})
	}
	if _, _, err := elements(form); err != nil {
		all = append(all, Fault{"form", err.Error()})
	}
	if !strings.Contains(signed, bodyName) {
		all = append(all, Fault{"signed", "must contain {body}: otherwise a signature is valid for any body"})
	}
	if rest := strings.NewReplacer(bodyName, "", timestampName, "", urlName, "").Replace(signed); strings.ContainsAny(rest, "{}") {
		all = append(all, Fault{"signed", "has braces around something other than body, timestamp and url"})
	}
	has, given := strings.Contains(signed, timestampName), s.TimestampHeader != "" || strings.Contains(form, timestampName)
	switch {
	case has && !given:
		all = append(all, Fault{"timestampHeader", "is needed, because signed contains {timestamp}"})
	case given && !has:
		all = append(all, Fault{"signed", "must contain {timestamp}: a timestamp that is not signed proves nothing"})
	case s.TimestampHeader != "" && strings.Contains(form, timestampName):
		all = append(all, Fault{"timestampHeader", "goes with a form that has no {timestamp}"})
	}
	return all
}

// elements returns the texts that stand before the two parts of a form. timestamp is "" for
// a form without a timestamp.
func elements(form string) (signature, timestamp string, err error) {
	for part := range strings.SplitSeq(form, separator(form)) {
		switch before, name, _ := strings.Cut(part, "{"); "{" + name {
		case signatureName:
			signature = before
		case timestampName:
			timestamp = before
		default:
			return "", "", errors.New("must be like sha256={signature} or t={timestamp},v1={signature}")
		}
	}
	switch {
	case strings.Count(form, signatureName) != 1, strings.Count(form, timestampName) > 1:
		return "", "", errors.New("must have {signature} once, and {timestamp} at most once")
	case strings.Contains(form, timestampName) && (signature == "" || timestamp == "" || signature == timestamp):
		return "", "", errors.New("must name both parts, as in t={timestamp},v1={signature}")
	}
	return signature, timestamp, nil
}

// separator returns what is between the parts of a header of that form.
func separator(form string) string {
	if strings.Contains(form, ";") {
		return ";"
	}
	return ","
}

// Verify checks a webhook with each of the secrets, until one fits: there are several while
// a secret is rotated.
func (s Scheme) Verify(secrets []string, r Request, now time.Time) error {
	given, timestamp, err := s.given(r.Header)
	if err != nil {
		return err
	}
	if strings.Contains(s.Signed, timestampName) {
		if err := s.checkTime(timestamp, now); err != nil {
			return err
		}
	}
	signed := s.content(timestamp, r)
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		h := hmac.New(hashes[cmp.Or(s.Algorithm, "sha256")], []byte(secret))
		for _, part := range signed {
			_, _ = h.Write(part) // never fails
		}
		if want := h.Sum(nil); slices.ContainsFunc(given, func(g []byte) bool { return hmac.Equal(g, want) }) {
			return nil
		}
	}
	return ErrSignature
}

// given returns the signatures that a webhook has, and its timestamp.
func (s Scheme) given(h http.Header) (signatures [][]byte, timestamp string, err error) {
	form := cmp.Or(s.Form, signatureName)
	before, beforeTime, err := elements(form)
	if err != nil {
		return nil, "", err
	}
	timestamp = h.Get(s.TimestampHeader)
	signed := false
	for part := range strings.SplitSeq(h.Get(s.Header), separator(form)) {
		part = strings.TrimSpace(part)
		if text, ok := strings.CutPrefix(part, beforeTime); ok && beforeTime != "" {
			timestamp = text
		}
		text, ok := strings.CutPrefix(part, before)
		if !ok || text == "" || len(signatures) == maxSignatures {
			continue
		}
		signed = true
		if b, err := s.decoded(text); err == nil {
			signatures = append(signatures, b)
		}
	}
	switch {
	case h.Get(s.Header) == "":
		return nil, "", without(s.Header)
	case !signed:
		return nil, "", unsigned("the header %s does not have the form %s", s.Header, form)
	}
	return signatures, timestamp, nil
}

func (s Scheme) decoded(text string) ([]byte, error) {
	if s.Encoding == "base64" {
		return base64.StdEncoding.DecodeString(text)
	}
	return hex.DecodeString(text)
}

// milliseconds is above every time in seconds until the year 5138, and below every time in
// milliseconds since 1973.
const milliseconds = 100_000_000_000

// checkTime refuses a timestamp that has other characters than digits: it could be cut from
// the signed text in two ways.
func (s Scheme) checkTime(timestamp string, now time.Time) error {
	switch {
	case timestamp == "" && s.TimestampHeader != "":
		return without(s.TimestampHeader)
	case timestamp == "":
		return unsigned("the header %s has no timestamp: its form is %s", s.Header, s.Form)
	}
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || strings.Trim(timestamp, "0123456789") != "" {
		return ErrTimestamp
	}
	at := time.Unix(n, 0)
	if n >= milliseconds {
		at = time.UnixMilli(n)
	}
	if most, d := cmp.Or(s.Tolerance, Tolerance), now.Sub(at); d > most || d < -most {
		return ErrTimestamp
	}
	return nil
}

// content returns the signed text in parts, so that a large body is not copied.
func (s Scheme) content(timestamp string, r Request) (parts [][]byte) {
	rest := cmp.Or(s.Signed, bodyName)
	for rest != "" {
		before, name, found := strings.Cut(rest, "{")
		parts = append(parts, []byte(before))
		if !found {
			break
		}
		name, rest, _ = strings.Cut(name, "}")
		switch "{" + name + "}" {
		case bodyName:
			parts = append(parts, r.Body)
		case timestampName:
			parts = append(parts, []byte(timestamp))
		case urlName:
			parts = append(parts, []byte(r.URL))
		}
	}
	return parts
}

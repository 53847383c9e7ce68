package functions

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// webhookVector is a webhook, and what verifying it must say at the time Now.
type webhookVector struct {
	Name       string            `json:"name"`
	Secrets    []string          `json:"secrets"`
	Headers    map[string]string `json:"headers"`
	BodyBase64 string            `json:"bodyBase64"`
	Now        int64             `json:"now"`   // seconds since 1970
	Error      string            `json:"error"` // "": it is valid; else unsigned, id, timestamp or signature
	ID         string            `json:"id"`    // of a valid one
}

const vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // of the Standard Webhooks project

func webhookVectors(t *testing.T) (all []webhookVector) {
	const other, id, tolerance = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "msg_p5jXN8AQM9LWM0D4loKWxJek", int64(signature.Tolerance / time.Second)
	at := time.Unix(1614265330, 0)
	private := ed25519.NewKeyFromSeed([]byte("a seed of exactly thirty-two byt"))
	privateKey := "whsk_" + base64.StdEncoding.EncodeToString(private)
	publicKey := "whpk_" + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	sign := func(secret, body string) http.Header {
		h, err := signature.Sign(secret, id, at, []byte(body))
		require.NoError(t, err)
		return h
	}
	add := func(name string, h http.Header, body string, later int64, secrets ...string) {
		now := at.Add(time.Duration(later) * time.Second)
		got, err := signature.Verify(secrets, h, []byte(body), now)
		v := webhookVector{Name: name, Secrets: secrets, Headers: map[string]string{}, BodyBase64: base64.StdEncoding.EncodeToString([]byte(body)), Now: now.Unix(), ID: got}
		if v.Secrets == nil {
			v.Secrets = []string{}
		}
		for name := range h {
			v.Headers[strings.ToLower(name)] = h.Get(name)
		}
		for word, kind := range map[string]error{"unsigned": signature.ErrUnsigned, "id": signature.ErrID, "timestamp": signature.ErrTimestamp, "signature": signature.ErrSignature} {
			if errors.Is(err, kind) {
				v.Error = word
			}
		}
		require.Equal(t, err == nil, v.Error == "", "%s: %v", name, err)
		all = append(all, v)
	}
	with := func(h http.Header, name, value string) http.Header {
		c := h.Clone()
		c.Set(name, value)
		return c
	}
	const body = `{"test": 2432232314}`
	good := sign(vectorSecret, body)
	mine, theirs := good.Get("webhook-signature"), sign(other, body).Get("webhook-signature")
	bare := strings.TrimPrefix(vectorSecret, "whsec_")

	add("valid: the vector of Standard Webhooks", good, body, 0, vectorSecret)
	add("valid: a secret without its prefix", good, body, 0, bare)
	add("valid: an empty body", sign(vectorSecret, ""), "", 0, vectorSecret)
	add("valid: unicode", sign(vectorSecret, "{\"ü\":\"日本\u2028🙂\"}\r\n"), "{\"ü\":\"日本\u2028🙂\"}\r\n", 0, vectorSecret)
	add("valid: bytes that are no text", sign(vectorSecret, "\x00\xff\xfe\r\n."), "\x00\xff\xfe\r\n.", 0, vectorSecret)
	add("valid: a byte order mark", sign(vectorSecret, "\ufeff{}"), "\ufeff{}", 0, vectorSecret)
	add("invalid: a byte order mark was cut off", sign(vectorSecret, "\ufeff{}"), "{}", 0, vectorSecret)
	add("valid: two signatures, the first is mine", with(good, "webhook-signature", mine+" "+theirs), body, 0, vectorSecret)
	add("valid: two signatures, the second is mine", with(good, "webhook-signature", theirs+" "+mine), body, 0, vectorSecret)
	add("valid: two secrets, the second is used", good, body, 0, other, vectorSecret)
	add("valid: unknown and malformed signatures beside", with(good, "webhook-signature", "v2,x v1,!! v1 nonsense v1,AAAA  "+mine), body, 0, vectorSecret)
	add("valid: the oldest that is taken", good, body, tolerance, vectorSecret)
	add("valid: as far in the future as is taken", good, body, -tolerance, vectorSecret)
	add("invalid: old", good, body, tolerance+1, vectorSecret)
	add("invalid: from the future", good, body, -tolerance-1, vectorSecret)
	add("invalid: another secret", good, body, 0, other)
	add("invalid: no secret", good, body, 0)
	add("invalid: an empty secret", good, body, 0, "", "whsec_")
	add("invalid: another body", good, body+" ", 0, vectorSecret)
	add("invalid: another id", with(good, "webhook-id", "msg_2"), body, 0, vectorSecret)
	add("invalid: another timestamp", with(good, "webhook-timestamp", "1614265331"), body, 0, vectorSecret)
	add("invalid: an id with a full stop", with(good, "webhook-id", id+".1"), body, 0, vectorSecret)
	for _, bad := range []string{"now", "1614265330.5", "0x60378472", "-", "16142653301614265330"} {
		add(fmt.Sprintf("invalid: the timestamp %q", bad), with(good, "webhook-timestamp", bad), body, 0, vectorSecret)
	}
	add("invalid: a signature without its version", with(good, "webhook-signature", strings.TrimPrefix(mine, "v1,")), body, 0, vectorSecret)
	add("invalid: half of the signature", with(good, "webhook-signature", mine[:len(mine)/2]), body, 0, vectorSecret)
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		h := good.Clone()
		h.Del(name)
		add("invalid: no "+name, h, body, 0, vectorSecret)
	}
	key := sign(privateKey, body)
	add("valid: v1a", key, body, 0, publicKey)
	add("valid: v1a and v1 in rotation", with(key, "webhook-signature", mine+" "+key.Get("webhook-signature")), body, 0, publicKey)
	add("invalid: v1a, another body", key, "{}", 0, publicKey)
	add("invalid: v1a against a shared secret", key, body, 0, vectorSecret)
	add("invalid: v1a named v1", with(key, "webhook-signature", "v1,"+strings.TrimPrefix(key.Get("webhook-signature"), "v1a,")), body, 0, publicKey)
	return all
}

// retryVector is an answer, and whether a client sends the same event again. Answers of the
// server are its own; the others are what a proxy or a platform before it says.
type retryVector struct {
	Name    string            `json:"name"`
	Status  int               `json:"status"` // 0: no answer
	Headers map[string]string `json:"headers"`
	Now     time.Time         `json:"now"`   // by the client's clock
	Retry   bool              `json:"retry"` // false: it is answered for good, well or not
	// After is the number of seconds to wait at least, at most a day; 0: the client's own pause.
	After int `json:"afterSeconds"`
}

func retryVectors(t *testing.T) (all []retryVector) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	add := func(name string, status int, retry bool, headers ...string) {
		v := retryVector{Name: name, Status: status, Headers: map[string]string{}, Now: now, Retry: retry}
		h := http.Header{}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
			v.Headers[headers[i]] = headers[i+1]
		}
		if retry {
			v.After = int(outbound.RetryAfter(&http.Response{Header: h}, now) / time.Second)
		}
		all = append(all, v)
	}
	own := func(name string, want int, retry bool, a answer) {
		require.Equal(t, want, a.status, "%s: %s", name, a.raw)
		var h []string
		if after := a.header.Get("Retry-After"); after != "" {
			h = []string{"Retry-After", after}
		}
		require.Equal(t, retry, len(h) > 0, "%s: the server says Retry-After where the same request may succeed", name)
		add("the server: "+name, want, retry, h...)
	}
	g := newGateway(t, oneService(`,"maxPending":1`))
	own("stored", 200, false, g.do("POST", "/event/entry1", "x"))
	g.event("entry1", "x")
	g.advance(5 * time.Second) // then the server counts them again
	own("too many wait", 429, true, g.do("POST", "/event/entry1", "x"))
	own("no such endpoint", 404, false, g.do("POST", "/event/nope", "x"))
	g = newGateway(t, oneService(""))
	g.store.set(true)
	own("the store is away", 503, true, g.do("POST", "/event/entry1", "x"))

	add("no answer at all", 0, true)
	for _, status := range []int{201, 202, 204, 300, 301, 304, 307, 400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 431, 501, 505} {
		add("for good", status, false)
	}
	add("for good, whatever Retry-After says", 404, false, "Retry-After", "5")
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504, 520, 529} {
		add("for now", status, true)
	}
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, h := range [][]string{
		{"0"}, {"7"}, {" 7 "}, {"007"}, {"86400"}, {"86401"}, {"99999999999999999999999"},
		{"-1"}, {"1.5"}, {"1e3"}, {"+5"}, {"soon"}, {""},
		{date(90 * time.Second)}, {date(-time.Minute)}, {date(72 * time.Hour)},
		{date(90 * time.Second), date(60 * time.Second)}, {date(90 * time.Second), date(-time.Hour)}, {date(90 * time.Second), "yesterday"},
	} {
		headers := []string{"Retry-After", h[0]}
		if len(h) > 1 {
			headers = append(headers, "Date", h[1])
		}
		add(strings.Join(headers, " "), 503, true, headers...)
	}
	return all
}

package signature_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/webhook/signature"
)

// The vector of the Standard Webhooks project.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

var vectorTime = time.Unix(1614265330, 0)

func TestVector(t *testing.T) {
	t.Parallel()
	h, err := signature.Sign(vectorSecret, vectorID, vectorTime, []byte(vectorBody))
	require.NoError(t, err)
	require.Equal(t, vectorSignature, h.Get("webhook-signature"))
	require.Equal(t, "1614265330", h.Get("webhook-timestamp"))
	id, err := signature.Verify([]string{vectorSecret}, h, []byte(vectorBody), vectorTime)
	require.NoError(t, err)
	require.Equal(t, vectorID, id)
}

// While a secret is rotated, the header has the signature of each, separated by a space.
func TestSignWithFormerSecrets(t *testing.T) {
	t.Parallel()
	other := signature.NewSecret()
	alone, err := signature.Sign(other, vectorID, vectorTime, []byte(vectorBody))
	require.NoError(t, err)
	both, err := signature.Sign(other, vectorID, vectorTime, []byte(vectorBody), vectorSecret, "")
	require.NoError(t, err)
	require.Equal(t, alone.Get("webhook-signature")+" "+vectorSignature, both.Get("webhook-signature"))
	_, err = signature.Sign(other, vectorID, vectorTime, []byte(vectorBody), "whsec_!")
	require.ErrorIs(t, err, signature.ErrSecret)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	privateKey := "whsk_" + base64.StdEncoding.EncodeToString(private)
	publicKey := "whpk_" + base64.StdEncoding.EncodeToString(public)
	other := signature.NewSecret()
	body := []byte(vectorBody)
	good, err := signature.Sign(vectorSecret, "m", vectorTime, body)
	require.NoError(t, err)
	asymmetric, err := signature.Sign(privateKey, "m", vectorTime, body)
	require.NoError(t, err)
	with := func(h http.Header, name, value string) http.Header {
		c := h.Clone()
		c.Set(name, value)
		return c
	}
	for name, c := range map[string]struct {
		secrets []string
		h       http.Header
		body    string
		now     time.Time
		err     error
	}{
		"v1":                     {[]string{vectorSecret}, good, vectorBody, vectorTime, nil},
		"v1 with Svix's headers": {[]string{vectorSecret}, http.Header{"Svix-Id": good["Webhook-Id"], "Svix-Timestamp": good["Webhook-Timestamp"], "Svix-Signature": good["Webhook-Signature"]}, vectorBody, vectorTime, nil},
		"v1a":                    {[]string{publicKey}, asymmetric, vectorBody, vectorTime, nil},
		"one of several":         {[]string{other, publicKey, vectorSecret}, good, vectorBody, vectorTime, nil},
		"several signatures":     {[]string{vectorSecret}, with(good, "webhook-signature", "v1,bad v2,x "+good.Get("webhook-signature")), vectorBody, vectorTime, nil},
		"another secret":         {[]string{other}, good, vectorBody, vectorTime, signature.ErrSignature},
		"no secret":              {nil, good, vectorBody, vectorTime, signature.ErrSignature},
		"an empty secret":        {[]string{"", "whsec_"}, good, vectorBody, vectorTime, signature.ErrSignature},
		"another body":           {[]string{vectorSecret}, good, vectorBody + " ", vectorTime, signature.ErrSignature},
		"another id":             {[]string{vectorSecret}, with(good, "webhook-id", "n"), vectorBody, vectorTime, signature.ErrSignature},
		"v1a against v1":         {[]string{vectorSecret}, asymmetric, vectorBody, vectorTime, signature.ErrSignature},
		"v1 named v1a":           {[]string{publicKey}, with(good, "webhook-signature", "v1a"+good.Get("webhook-signature")[2:]), vectorBody, vectorTime, signature.ErrSignature},
		"old":                    {[]string{vectorSecret}, good, vectorBody, vectorTime.Add(signature.Tolerance + time.Second), signature.ErrTimestamp},
		"from the future":        {[]string{vectorSecret}, good, vectorBody, vectorTime.Add(-signature.Tolerance - time.Second), signature.ErrTimestamp},
		"a timestamp of letters": {[]string{vectorSecret}, with(good, "webhook-timestamp", "now"), vectorBody, vectorTime, signature.ErrTimestamp},
		"unsigned":               {[]string{vectorSecret}, http.Header{}, vectorBody, vectorTime, signature.ErrUnsigned},
	} {
		_, err := signature.Verify(c.secrets, c.h, []byte(c.body), c.now)
		require.ErrorIs(t, err, c.err, name)
	}
	require.NoError(t, signature.CheckSecret(publicKey))
	require.NoError(t, signature.CheckSecret(other))
	for _, bad := range []string{"", "whsec_", "whsec_!", "whpk_AAAA", "short"} {
		require.Error(t, signature.CheckSecret(bad), bad)
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	require.NoError(t, signature.VerifyBearer([]string{"a", "b"}, http.Header{"Authorization": {"Bearer b"}}))
	for _, spelling := range []string{"bearer b", "BEARER b", "Bearer  b"} {
		require.NoError(t, signature.VerifyBearer([]string{"a", "b"}, http.Header{"Authorization": {spelling}}), spelling)
	}
	require.ErrorIs(t, signature.VerifyBearer([]string{"a", ""}, http.Header{"Authorization": {"Bearer c"}}), signature.ErrSignature)
	require.ErrorIs(t, signature.VerifyBearer([]string{"a", ""}, http.Header{"Authorization": {"Bearer "}}), signature.ErrUnsigned)
	require.ErrorIs(t, signature.VerifyBearer([]string{"a"}, http.Header{}), signature.ErrUnsigned)
}

func TestSignedIsVerified(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret, id := signature.NewSecret(), rapid.StringMatching(`[a-zA-Z0-9_-]{1,40}`).Draw(t, "id")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		h, err := signature.Sign(secret, id, vectorTime, body)
		require.NoError(t, err)
		got, err := signature.Verify([]string{secret}, h, body, vectorTime)
		require.NoError(t, err)
		require.Equal(t, id, got)
		if len(body) > 0 {
			body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] ^= 1
			_, err = signature.Verify([]string{secret}, h, body, vectorTime)
			require.ErrorIs(t, err, signature.ErrSignature)
		}
	})
}

// The signed text is "id.timestamp.body". A full stop in an id would let one webhook pass
// for another: id m with body "T.x" has the same signature as id m.T with body x.
func TestAttackOneSignatureForTwoWebhooks(t *testing.T) {
	t.Parallel()
	const at = "1614265330"
	signed, err := signature.Sign(vectorSecret, "m19", vectorTime, []byte(at+`.{"amount":1}`))
	require.NoError(t, err)
	_, err = signature.Verify([]string{vectorSecret}, signed, []byte(at+`.{"amount":1}`), vectorTime)
	require.NoError(t, err)
	forged := signed.Clone()
	forged.Set("webhook-id", "m19."+at)
	_, err = signature.Verify([]string{vectorSecret}, forged, []byte(`{"amount":1}`), vectorTime)
	require.ErrorIs(t, err, signature.ErrID)
	_, err = signature.Sign(vectorSecret, "m19."+at, vectorTime, nil)
	require.ErrorIs(t, err, signature.ErrID)
}

// sealed returns the signature of three strings in the Standard form. The test has its own
// copy, so that it does not depend on the code that it tests.
func sealed(id, timestamp, body string) string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorSecret, "whsec_"))
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// A text can be cut into an id, a timestamp and a body in several ways. Verify takes at
// most one of them.
func TestASignatureIsOfOneWebhook(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"m19", "1614265330", "1614265330", "1614265331", "+1614265330", "01614265330", "-1", "", "{}"})
		text := strings.Join(rapid.SliceOfN(part, 3, 7).Draw(t, "text"), ".")
		type cut struct{ id, timestamp, body string }
		var taken []cut
		for i := range text {
			for j := i + 1; j < len(text); j++ {
				if text[i] != '.' || text[j] != '.' {
					continue
				}
				c := cut{text[:i], text[i+1 : j], text[j+1:]}
				h := http.Header{}
				h.Set("webhook-id", c.id)
				h.Set("webhook-timestamp", c.timestamp)
				h.Set("webhook-signature", sealed(c.id, c.timestamp, c.body))
				if id, err := signature.Verify([]string{vectorSecret}, h, []byte(c.body), vectorTime); err == nil {
					require.Equal(t, c.id, id)
					taken = append(taken, c)
				}
			}
		}
		require.LessOrEqual(t, len(taken), 1, "%q", taken)
	})
	require.Equal(t, vectorSignature, sealed(vectorID, "1614265330", vectorBody))
}

func FuzzVerify(f *testing.F) {
	f.Add(vectorID, "1614265330", vectorSignature, []byte(vectorBody))
	f.Add("", "-1", "v1, v1a,====", []byte{})
	f.Fuzz(func(t *testing.T, id, timestamp, signed string, body []byte) {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", timestamp)
		h.Set("webhook-signature", signed)
		if _, err := signature.Verify([]string{vectorSecret}, h, body, vectorTime); err == nil {
			want, err := signature.Sign(vectorSecret, h.Get("webhook-id"), vectorTime, body)
			require.NoError(t, err)
			_, err = signature.Verify([]string{vectorSecret}, want, body, vectorTime)
			require.NoError(t, err)
		}
	})
}

// An unverified sender cannot make us hash a large body many times.
func TestManySignatures(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := "whpk_" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	now := time.Unix(1614265330, 0)
	body := make([]byte, 512<<10)
	h, err := signature.Sign(secret, "msg_1", now, body)
	require.NoError(t, err)
	for _, one := range []string{"v1,AAAA ", "v1a," + base64.StdEncoding.EncodeToString(make([]byte, 64)) + " ", "v9,x "} {
		hostile := h.Clone()
		hostile.Set(signature.HeaderSignature, strings.Repeat(one, 200<<10/len(one)))
		began := time.Now()
		_, err = signature.Verify([]string{secret, public}, hostile, body, now)
		require.ErrorIs(t, err, signature.ErrSignature)
		require.Less(t, time.Since(began), time.Second)
	}
	h.Set(signature.HeaderSignature, "v2,x v1,AAAA v1,!! "+h.Get(signature.HeaderSignature))
	_, err = signature.Verify([]string{secret}, h, body, now)
	require.NoError(t, err)
}

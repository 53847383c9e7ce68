package signature_test

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/webhook/signature"
)

const (
	slackBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"

	stripeBody = `{
  "id": "evt_test_webhook",
  "object": "event",
  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }
}`
	stripeSignature = "07b1ede164afb7b5de91267ffa656f568c65d6e0783ce0ac55ee094643578eda"
)

// vectors has the examples of the senders' own documents and libraries.
var vectors = map[string]struct {
	preset, secret string
	header         http.Header
	body           string
	at             int64
}{
	// docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
	"github": {"github", "It's a Secret to Everybody", http.Header{"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}}, "Hello, World!", 0},
	// support.atlassian.com/bitbucket-cloud/docs/manage-webhooks
	"bitbucket": {"bitbucket", "It's a Secret to Everybody", http.Header{"X-Hub-Signature": {"sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"}}, "Hello World!", 0},
	// The payload and the secret of stripe-python's tests, signed by stripe-go v82's ComputeSignature.
	"stripe": {"stripe", "whsec_test_secret", http.Header{"Stripe-Signature": {"t=12345,v1=" + stripeSignature}}, stripeBody, 12345},
	// stripe-go's tests: an unreadable signature, one of another scheme and one of a rotated key are passed over.
	"stripe, rotated": {"stripe", "whsec_test_secret", http.Header{"Stripe-Signature": {"t=12345,v1=bad_signature,v0=" + stripeSignature[2:] + "00,v1=" + strings.Repeat("ab", 32) + ",v1=" + stripeSignature}}, stripeBody, 12345},
	// api.slack.com/authentication/verifying-requests-from-slack
	"slack": {"slack", "8f742231b10e8888abcd99yyyzzz85a5", http.Header{"X-Slack-Request-Timestamp": {"1531420618"}, "X-Slack-Signature": {"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"}}, slackBody, 1531420618},
	// Shopify's documents have no vector. This one is of SQLPage's tests, an independent implementation.
	"shopify": {"shopify", "test-webhook-secret", http.Header{"X-Shopify-Hmac-Sha256": {"QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw="}}, `{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}`, 0},
}

func TestVectorsOfSenders(t *testing.T) {
	t.Parallel()
	for name, v := range vectors {
		s, ok := signature.Presets[v.preset]
		require.True(t, ok)
		require.Empty(t, s.Faults(), name)
		now := time.Unix(v.at, 0)
		r := signature.Request{Header: v.header, Body: []byte(v.body)}
		require.NoError(t, s.Verify([]string{"", "other", v.secret}, r, now.Add(4*time.Minute)), name)
		require.ErrorIs(t, s.Verify([]string{"other", ""}, r, now), signature.ErrSignature, name)
		require.ErrorIs(t, s.Verify(nil, r, now), signature.ErrSignature, name)
		require.ErrorIs(t, s.Verify([]string{v.secret}, signature.Request{Header: v.header, Body: []byte(v.body + " ")}, now), signature.ErrSignature, name)
		require.ErrorIs(t, s.Verify([]string{v.secret}, signature.Request{Header: http.Header{}, Body: []byte(v.body)}, now), signature.ErrUnsigned, name)
		if v.at != 0 {
			require.ErrorIs(t, s.Verify([]string{v.secret}, r, now.Add(6*time.Minute)), signature.ErrTimestamp, name)
			require.ErrorIs(t, s.Verify([]string{v.secret}, r, now.Add(-6*time.Minute)), signature.ErrTimestamp, name)
			s.Tolerance = time.Hour
			require.NoError(t, s.Verify([]string{v.secret}, r, now.Add(50*time.Minute)), name)
		}
	}
}

// A webhook that is not signed is told what it lacks, and nothing of what it has.
func TestUnsignedSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	preset := func(name string) func(http.Header) error {
		return func(h http.Header) error {
			return signature.Presets[name].Verify([]string{"k"}, signature.Request{Header: h, Body: []byte("{}")}, vectorTime)
		}
	}
	standard := func(h http.Header) error {
		_, err := signature.Verify([]string{vectorSecret}, h, nil, vectorTime)
		return err
	}
	for _, c := range []struct {
		verify func(http.Header) error
		header http.Header
		want   string
	}{
		{preset("github"), nil, "the header X-Hub-Signature-256 is missing"},
		{preset("github"), header("X-Hub-Signature-256", "sha1=canary"), "the header X-Hub-Signature-256 does not have the form sha256={signature}"},
		{preset("stripe"), header("Stripe-Signature", "v1=00"), "the header Stripe-Signature has no timestamp: its form is t={timestamp},v1={signature}"},
		{preset("slack"), header("X-Slack-Signature", "v0=00"), "the header X-Slack-Request-Timestamp is missing"},
		{standard, nil, "the header Webhook-Signature is missing"},
		{standard, header("webhook-signature", "v1,canary"), "the header Webhook-Id is missing"},
		{standard, header("webhook-signature", "v1,canary", "webhook-id", "canary"), "the header Webhook-Timestamp is missing"},
		{func(h http.Header) error { return signature.VerifyGitLab([]string{"k"}, h, nil, vectorTime) }, nil, "the header X-Gitlab-Token is missing"},
		{func(h http.Header) error { return signature.VerifyTwilio([]string{"k"}, signature.Request{Header: h}) }, nil, "the header X-Twilio-Signature is missing"},
		{func(h http.Header) error { return signature.VerifyBearer([]string{"k"}, h) }, header("Authorization", "Basic canary"), "the header Authorization has no bearer token"},
	} {
		err := c.verify(c.header)
		require.ErrorIs(t, err, signature.ErrUnsigned, c.want)
		require.Equal(t, "webhook: it is not signed: "+c.want, err.Error())
	}
	require.ErrorIs(t, preset("github")(header("X-Hub-Signature-256", "sha256=00")), signature.ErrSignature, "a wrong one is signed")
}

// Stripe's library refuses these headers, too (stripe-go's tests).
func TestMalformedHeadersOfStripe(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"", "v1,t=1", "t=", "t=12345", "i'm not even a real signature header", "t=12345,v0=" + stripeSignature, "v1=" + stripeSignature, "t=+12345,v1=" + stripeSignature, "t=012345,v1=" + stripeSignature, "t=12345.0,v1=" + stripeSignature} {
		r := signature.Request{Header: http.Header{"Stripe-Signature": {header}}, Body: []byte(stripeBody)}
		require.Error(t, signature.Presets["stripe"].Verify([]string{"whsec_test_secret"}, r, time.Unix(12345, 0)), header)
	}
}

// The vectors of twilio-php's RequestValidatorTest.
func TestTwilio(t *testing.T) {
	t.Parallel()
	const (
		url      = "https://mycompany.com/myapp.php?foo=1&bar=2"
		form     = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE"
		signed   = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
		json     = `{"property": "value", "boolean": true}`
		jsonHash = "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
	)
	for name, c := range map[string]struct {
		secret, url, body, signature, media string
		err                                 error
	}{
		"a form":           {"12345", url, form, signed, "application/x-www-form-urlencoded; charset=utf-8", nil},
		"values twice":     {"12345", url, "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234", "IK+Dwps556ElfBT0I3Rgjkr1wJU=", "application/x-www-form-urlencoded", nil},
		"JSON":             {"12345", url + jsonHash, json, "a9nBmqA0ju/hNViExpshrM61xv4=", "application/json", nil},
		"another body":     {"12345", url + jsonHash, json + " ", "a9nBmqA0ju/hNViExpshrM61xv4=", "application/json", signature.ErrSignature},
		"JSON, no hash":    {"12345", url, json, signed, "application/json", signature.ErrSignature},
		"another URL":      {"12345", url + "&x=1", form, signed, "application/x-www-form-urlencoded", signature.ErrSignature},
		"another secret":   {"54321", url, form, signed, "application/x-www-form-urlencoded", signature.ErrSignature},
		"no secret":        {"", url, form, signed, "application/x-www-form-urlencoded", signature.ErrSignature},
		"no signature":     {"12345", url, form, "", "application/x-www-form-urlencoded", signature.ErrUnsigned},
		"no base64":        {"12345", url, form, "FAIL!", "application/x-www-form-urlencoded", signature.ErrSignature},
		"a malformed form": {"12345", url, "%zz", signed, "application/x-www-form-urlencoded", signature.ErrSignature},
	} {
		h := http.Header{"Content-Type": {c.media}, "X-Twilio-Signature": {c.signature}}
		err := signature.VerifyTwilio([]string{c.secret}, signature.Request{URL: c.url, Header: h, Body: []byte(c.body)})
		require.ErrorIs(t, err, c.err, name)
	}
}

// docs.gitlab.com/user/project/integrations/webhooks: a secret token is sent as it is; a
// signing token signs as Standard Webhooks do.
func TestGitLab(t *testing.T) {
	t.Parallel()
	token := func(v string) http.Header { return http.Header{"X-Gitlab-Token": {v}} }
	verify := func(h http.Header, body string, secrets ...string) error {
		return signature.VerifyGitLab(secrets, h, []byte(body), vectorTime)
	}
	require.NoError(t, verify(token("s3cret"), "{}", "", "other", "s3cret"))
	require.ErrorIs(t, verify(token("s3cre"), "{}", "s3cret"), signature.ErrSignature)
	require.ErrorIs(t, verify(http.Header{}, "{}", "s3cret", ""), signature.ErrUnsigned)
	signed, err := signature.Sign(vectorSecret, "m", vectorTime, []byte(vectorBody))
	require.NoError(t, err)
	require.NoError(t, verify(signed, vectorBody, vectorSecret))
	require.ErrorIs(t, verify(signed, vectorBody+" ", vectorSecret), signature.ErrSignature)
	require.ErrorIs(t, verify(token(vectorSecret), "{}", vectorSecret), signature.ErrSignature, "a signing token is never sent")
}

func TestSchemesOfTheirOwn(t *testing.T) {
	t.Parallel()
	m := hmac.New(sha512.New, []byte("k"))
	m.Write([]byte("https://h/hooks/a?x=1:1614265330000:body"))
	text := base64.StdEncoding.EncodeToString(m.Sum(nil))
	s := signature.Scheme{Header: "X-Sig", Form: "ts={timestamp};h1={signature}", Algorithm: "sha512", Encoding: "base64", Signed: "{url}:{timestamp}:{body}", Tolerance: time.Second}
	require.Empty(t, s.Faults())
	r := signature.Request{URL: "https://h/hooks/a?x=1", Header: http.Header{"X-Sig": {"ts=1614265330000; h1=" + text}}, Body: []byte("body")}
	require.NoError(t, s.Verify([]string{"k"}, r, time.Unix(1614265330, 0)), "in milliseconds")
	r.URL += "2"
	require.ErrorIs(t, s.Verify([]string{"k"}, r, time.Unix(1614265330, 0)), signature.ErrSignature)

	for field, bad := range map[string]signature.Scheme{
		"header":           {},
		"form":             {Header: "h", Form: "sha256="},
		"form ":            {Header: "h", Form: "{signature},{signature}"},
		"form  ":           {Header: "h", Form: "{timestamp},{signature}", Signed: "{timestamp}{body}"},
		"signed":           {Header: "h", Signed: "x"},
		"signed ":          {Header: "h", Signed: "{body}{other}"},
		"signed  ":         {Header: "h", TimestampHeader: "t"},
		"timestampHeader":  {Header: "h", Signed: "{timestamp}.{body}"},
		"timestampHeader ": {Header: "h", Form: "t={timestamp},v={signature}", Signed: "{timestamp}.{body}", TimestampHeader: "t"},
	} {
		faults := bad.Faults()
		require.Len(t, faults, 1, "%s: %v", field, faults)
		require.Equal(t, strings.TrimSpace(field), faults[0].Field)
	}
}

// Whatever a scheme signs, no change of the body keeps its signature valid, and no header
// makes it panic.
func TestAnyHeader(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"github", "bitbucket", "stripe", "slack", "shopify"}).Draw(t, "preset")
		v := vectors[name]
		h := v.header.Clone()
		s := signature.Presets[v.preset]
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"t=", "v1=", "v0=", "sha256=", ",", ";", "12345", stripeSignature, "=", " "}), 0, 9)
		h.Set(s.Header, strings.Join(parts.Draw(t, "header"), ""))
		body := v.body + rapid.StringN(1, 5, 9).Draw(t, "more")
		require.Error(t, s.Verify([]string{v.secret}, signature.Request{Header: h, Body: []byte(body)}, time.Unix(v.at, 0)))
	})
}

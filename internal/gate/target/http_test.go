package target_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/webhook/signature"
)

var now = time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)

var sent = target.Message{ID: "0123", Data: []byte(`{"eventID":"0123","a":"ü"}`), Attributes: map[string]string{
	"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "0123", "ce-source": "/services/été 5%", "ce-type": "dev.headgate.sync.v1",
	"serviceName": "été 5%", "eventID": "0123",
}}

type request struct {
	header http.Header
	body   []byte
}

// receiver answers with the status and hands over what it got.
func receiver(t *testing.T, status int, header ...string) (url string, got <-chan request) {
	requests := make(chan request, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- request{r.Header, body}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, requests
}

// sender returns a sender with the client that targets have in a deployment.
func sender(t *testing.T, url string) *target.HTTP {
	out, err := outbound.New(outbound.Options{AllowLoopback: true, Attempts: 1, Timeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(out.Close)
	return &target.HTTP{URL: url, Client: out.HTTP(), Now: func() time.Time { return now }}
}

func TestMessageIsACloudEventInBinaryMode(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, 204)
	require.NoError(t, sender(t, url).Send(t.Context(), sent))
	r := <-got
	require.Equal(t, sent.Data, r.body)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "0123", "Ce-Source": "/services/%C3%A9t%C3%A9%205%25",
		"Ce-Servicename": "%C3%A9t%C3%A9%205%25", "Ce-Eventid": "0123", "User-Agent": "Headgate", "Authorization": "",
	} {
		require.Equal(t, value, r.header.Get(name), name)
	}
}

// The signature is computed here as the specification of Standard Webhooks says, without
// the package that made it.
func TestMessageIsSignedByTheRulesOfStandardWebhooks(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, 200)
	s := sender(t, url)
	s.Secret = signature.NewSecret()
	require.NoError(t, s.Send(t.Context(), sent))
	r := <-got
	key, err := base64.StdEncoding.DecodeString(s.Secret[len("whsec_"):])
	require.NoError(t, err)
	h := hmac.New(sha256.New, key)
	h.Write([]byte("0123.1795759200." + string(r.body)))
	require.Equal(t, "0123", r.header.Get("webhook-id"))
	require.Equal(t, "1795759200", r.header.Get("webhook-timestamp"))
	require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)), r.header.Get("webhook-signature"))
	_, err = signature.Verify([]string{s.Secret}, r.header, r.body, now)
	require.NoError(t, err)
	require.Equal(t, "0123", r.header.Get("Ce-Id"))
}

// While a secret is rotated, a receiver that has either of the two verifies each message.
func TestMessageIsSignedWithTheFormerSecret(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, 200)
	s := sender(t, url)
	s.Secret, s.FormerSecret = signature.NewSecret(), signature.NewSecret()
	require.NoError(t, s.Send(t.Context(), sent))
	r := <-got
	for _, secret := range []string{s.Secret, s.FormerSecret} {
		_, err := signature.Verify([]string{secret}, r.header, r.body, now)
		require.NoError(t, err)
	}
	require.Len(t, r.header.Values("webhook-signature"), 1, "in one header, as Standard Webhooks wants")
}

// tokens returns tokens that say for what they are.
type tokens struct{ err error }

func (k tokens) OIDC(_ context.Context, audience string) (string, error) {
	return "id-token " + audience, k.err
}

func (k tokens) OAuth(_ context.Context, scopes []string) (string, error) {
	return "access-token " + scopes[0], k.err
}

func TestTokensAuthenticate(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, 200)
	s := sender(t, url)
	s.Tokens, s.Audience = tokens{}, "https://run.example"
	require.NoError(t, s.Send(t.Context(), sent))
	require.Equal(t, "Bearer id-token https://run.example", (<-got).header.Get("Authorization"))

	s.Audience, s.Scopes = "", []string{"https://www.googleapis.com/auth/cloud-platform"}
	require.NoError(t, s.Send(t.Context(), sent))
	require.Equal(t, "Bearer access-token https://www.googleapis.com/auth/cloud-platform", (<-got).header.Get("Authorization"))

	s.Tokens = tokens{fault.Wrap(fault.Unavailable, errors.New("a secret cause"), "no token (OAuth)")}
	err := s.Send(t.Context(), sent)
	require.EqualError(t, err, "no token (OAuth)")
	require.False(t, target.Final(err))
	s.Tokens = nil
	require.True(t, target.Final(s.Send(t.Context(), sent)))
	require.Empty(t, got, "nothing is sent without its token")
}

func TestBodyIsFilledIn(t *testing.T) {
	t.Parallel()
	url, got := receiver(t, 200)
	s := sender(t, url)
	s.Body = map[string]any{
		"argument": "{cloudEvent}", "n": json.Number("7"),
		"task": map[string]any{"name": "t/{eventID}", "body": "{messageBase64}", "key": "<{correlationKey}>"},
	}
	require.NoError(t, s.Send(t.Context(), sent))
	r := <-got
	require.Empty(t, r.header.Get("Ce-Id"), "the body is no CloudEvent's data")
	var body struct {
		Argument string
		N        int
		Task     struct{ Name, Body, Key string }
	}
	require.NoError(t, json.Unmarshal(r.body, &body))
	require.Equal(t, 7, body.N)
	require.Equal(t, "t/0123", body.Task.Name)
	require.Equal(t, "<>", body.Task.Key)
	require.Equal(t, base64.StdEncoding.EncodeToString(sent.Data), body.Task.Body)
	require.JSONEq(t, `{"specversion":"1.0","id":"0123","source":"/services/été 5%","type":"dev.headgate.sync.v1","datacontenttype":"application/json",
		"servicename":"été 5%","eventid":"0123","data":{"eventID":"0123","a":"ü"}}`, body.Argument)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status  int
		header  []string
		message string
		final   bool
		after   time.Duration
	}{
		{status: 400, message: "answers 400 Bad Request"},
		{status: 410, message: "answers 410 Gone", final: true},
		{status: 503, header: []string{"Retry-After", "70"}, message: "answers 503 Service Unavailable", after: 70 * time.Second},
	} {
		url, _ := receiver(t, test.status, test.header...)
		err := sender(t, url+"/?token=hidden").Send(t.Context(), sent)
		require.ErrorContains(t, err, test.message)
		require.NotContains(t, err.Error(), "hidden")
		require.Equal(t, test.final, target.Final(err))
		require.Equal(t, test.after, target.RetryAfter(err))
	}
}

func TestRedirectsAndInternalAddressesAreRefused(t *testing.T) {
	t.Parallel()
	elsewhere, got := receiver(t, 200)
	url, _ := receiver(t, http.StatusTemporaryRedirect, "Location", elsewhere)
	s := sender(t, url+"/?token=hidden")
	s.Secret = signature.NewSecret()
	err := s.Send(t.Context(), sent)
	require.ErrorContains(t, err, "redirect")
	require.Empty(t, got)
	require.NotContains(t, err.Error(), "hidden")

	for _, internal := range []string{"https://10.0.0.7/x", "https://169.254.169.254/computeMetadata/v1/", "https://[fd00::7]/x", "http://example.com/x",
		"https://[::ffff:10.0.0.7]/", "https://[::ffff:a9fe:a9fe]/", "https://[64:ff9b::a00:7]/", "https://[2002:a00:7::]/", "https://[::10.0.0.7]/", "https://[fe80::1%25lo]/",
		"https://0.0.0.0/", "https://[::]/", "https://100.64.0.1/", "https://192.168.0.1/", "https://172.16.0.1/", "https://198.18.0.1/", "https://255.255.255.255/", "https://224.0.0.1/",
		"https://[fd00:ec2::254]/", "https://[fd20:ce::254]/", "https://100.100.100.200/", "https://[::ffff:0:10.0.0.7]/", "https://[ff02::1]/",
	} {
		err = sender(t, internal).Send(t.Context(), sent)
		require.Error(t, err, internal)
		require.Regexp(t, "internal address|must use https", err.Error())
	}
	err = (&target.HTTP{URL: url, Now: time.Now}).Send(t.Context(), sent)
	require.ErrorContains(t, err, "no client", "without a client, nothing is called")
}

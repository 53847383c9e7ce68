package client

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/signature"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	other, body := signature.NewSecret(), []byte(`{"test": 2432232314}`)
	now := time.Unix(1614265330, 0)
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=") // of the Standard Webhooks project
	at := func(later time.Duration, v Verifier) error {
		v.Now = func() time.Time { return now.Add(later) }
		id, err := v.Verify(h, body)
		require.Equal(t, err == nil, id == "msg_p5jXN8AQM9LWM0D4loKWxJek")
		return err
	}
	require.NoError(t, at(0, Verifier{Secrets: []string{secret}}))
	require.NoError(t, at(0, Verifier{Secrets: []string{other, secret}}), "while a secret is rotated, two are valid")
	require.ErrorIs(t, at(0, Verifier{Secrets: []string{other}}), ErrSignature)
	require.ErrorIs(t, at(0, Verifier{}), ErrSignature)
	require.ErrorIs(t, at(0, Verifier{Secrets: []string{"", "whsec_", "whsec_%", "whpk_", "whpk_AAAA"}}), ErrSignature)
	for _, v := range []Verifier{{Secrets: []string{secret}}, {Secrets: []string{secret}, Tolerance: time.Hour}, {Secrets: []string{secret}, Tolerance: time.Second}} {
		tolerance := max(v.Tolerance, time.Second)
		if v.Tolerance == 0 {
			tolerance = signature.Tolerance
		}
		require.NoError(t, at(tolerance, v))
		require.NoError(t, at(-tolerance, v))
		require.ErrorIs(t, at(tolerance+time.Second, v), ErrTimestamp)
		require.ErrorIs(t, at(-tolerance-time.Second, v), ErrTimestamp)
	}
	_, err := Verify(h, body, secret)
	require.ErrorIs(t, err, ErrTimestamp, "it is years old")
	fresh, err := signature.Sign(other, "m1", time.Now(), body)
	require.NoError(t, err)
	id, err := Verify(fresh, body, secret, other)
	require.NoError(t, err)
	require.Equal(t, "m1", id)
}

// Verify agrees with the server's own check of Standard Webhooks, whatever arrives.
func FuzzVerify(f *testing.F) {
	secret := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	f.Add(secret, "msg_1", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", []byte(`{"test": 2432232314}`), true)
	f.Add(secret, "msg.1", "1614265331", "v1,AAAA v1a,AAAA", []byte{}, false)
	f.Add("whpk_"+base64.StdEncoding.EncodeToString(make([]byte, 32)), "", "-", "v1a,", []byte{}, false)
	f.Fuzz(func(t *testing.T, secret, id, timestamp, signatures string, body []byte, signs bool) {
		now := time.Unix(1614265330, 0)
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signatures}}
		if signed, err := signature.Sign(secret, id, now, body); signs && err == nil {
			h = signed
		}
		wantID, want := signature.Verify([]string{secret}, h, body, now)
		gotID, got := Verifier{Secrets: []string{secret}, Now: func() time.Time { return now }}.Verify(h, body)
		require.Equal(t, wantID, gotID)
		require.Equal(t, want == nil, got == nil, "%v, %v", want, got)
	})
}

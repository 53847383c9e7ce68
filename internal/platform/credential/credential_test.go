package credential_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/credential"
)

func TestNamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"password", "apiKey", "X-Api-Key", "api_key", "Authorization", "access_token", "client-secret", "key", "auth", "pwd", "sig", "Set-Cookie",
		"Ocp-Apim-Subscription-Key", "X-Key", "X-Auth", "X-Auth-Code", "subscription-key", "subscriptionKey", "db_pass", "X-API-Key", "Proxy-Authorization",
		"apikey", "X-Apikey", "X-Auth-Key", "X-RapidAPI-Key", "X-Secret-Key", "Token", "Password", "token", "X-Amz-Signature", "X-Functions-Key",
		"X-Goog-Iap-Jwt-Assertion", "X-Telegram-Bot-Api-Secret-Token", "X-Csrf-Token", "Next-Token-Secret", "Page-Token-Key",
		"Private-Token", "X-Webhook-Secret", "X-Vault-Token", "X-Original-Authorization", "Cf-Access-Jwt-Assertion", "X-Shopify-Access-Token",
		"X-Auth-Request-Access-Token", "Auth-User-Password", "AWSAccessKeyId", "auth[code]", "user.password", "Refresh-Tokens",
		"assertion", "client_assertion", "clientAssertion", "SAMLAssertion", "otp", "X-GitHub-OTP", "X-Otp", "otp_code", "totp",
		"sessionid", "sessionId", "session-id", "X-Session-Id", "session_id", "session.id", "session[id]", "$session id", "JSESSIONID", "PHPSESSID", "sid", "connect.sid",
		"bearer", "X-Bearer", "bearerValue", "userKey", "X-Userkey", "serviceKey", "webhookKey", "X-Webhook-Key", "AccountKey", "clientKey", "serverKey",
		"sessionKey", "signingKey", "encryptionKey", "authCode", "auth_code", "Authcode",
	} {
		require.True(t, credential.Named(name), name)
	}
	for _, name := range []string{
		"", "user", "url", "table", "keyColumn", "delimiter", "author", "monkey", "X-Tenant", "compass", "design", "keyboard", "Accept", "page",
		"Next-Token", "X-Page-Token", "nextPageToken", "$skiptoken", "X-Goog-Channel-Token", "Idempotency-Key", "X-Idempotency-Key",
		"Sec-WebSocket-Key", "Partition-Key", "Ce-Partitionkey", "eventKey", "X-Ratelimit-Remaining-Tokens", "max_tokens", "token_type",
		"X-Auth-Request-Email", "X-Auth-User", "Key-Id", "X-Tokenizer", "X-Tokens-Used", "Rowkey", "Foreign-Key",
		"client_assertion_type", "sidebar", "side", "inside", "residence", "cotpath", "session", "sessions", "session-name", "obsession", "assert", "forbear",
	} {
		require.False(t, credential.Named(name), name)
	}
}

// A header that is not searched for words has none of them.
func TestUsualHeaders(t *testing.T) {
	t.Parallel()
	for _, name := range credential.Usual() {
		require.False(t, credential.Named(name), name)
		require.Equal(t, http.CanonicalHeaderKey(name), name)
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Authorization", "X-Api-Key", "Token", "X-Signature-Token", "X-Signing-Secret"} {
		require.True(t, credential.Header(name), name)
	}
	for _, name := range []string{"X-Hub-Signature-256", "Webhook-Signature", "Stripe-Signature", "Signature", "Signature-Input", "X-Request-Id"} {
		require.False(t, credential.Header(name), name)
	}
}

package event_test

import (
	"encoding/json"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/event"
)

func TestReceiveDropsCredentialsAndKeepsEveryByte(t *testing.T) {
	t.Parallel()
	in := map[string][]string{
		"Authorization": {"Bearer x"}, "Cookie": {"a=b"}, "X-Serverless-Authorization": {"y"}, "X-Api-Key": {"k"},
		"X-Mine": {"secret"}, "Accept": {"*/*", "text/plain"}, "X-Latin": {"caf\xe9"},
	}
	m := event.Rules{Drop: []string{"X-Mine"}}.Receive("PUT", in, "")
	require.Equal(t, event.Meta{
		Method: "PUT", Headers: map[string][]string{"Accept": {"*/*", "text/plain"}, "X-Latin": {"café"}},
		Redacted: []string{"Authorization", "Cookie", "X-Api-Key", "X-Mine", "X-Serverless-Authorization"},
	}, m)
	require.Equal(t, []string{"caf\xe9"}, in["X-Latin"], "the request is not changed")

	for _, name := range []string{
		"apikey", "X-Apikey", "X-Auth-Key", "X-RapidAPI-Key", "X-Secret-Key", "Token", "Password", "Private-Token", "X-Webhook-Secret", "X-Vault-Token",
		"X-Original-Authorization", "Cf-Access-Jwt-Assertion", "X-Shopify-Access-Token", "Ce-Apikey",
		// What was dropped before there was one list.
		"Api-Key", "Ocp-Apim-Subscription-Key", "Proxy-Authorization", "Set-Cookie", "X-Access-Token", "X-Amz-Security-Token", "X-Auth-Token", "X-Csrf-Token",
		"X-Forwarded-Authorization", "X-Functions-Key", "X-Gitlab-Token", "X-Goog-Api-Key", "X-Goog-Iap-Jwt-Assertion", "X-Telegram-Bot-Api-Secret-Token",
	} {
		name = textproto.CanonicalMIMEHeaderKey(name)
		m := event.Rules{}.Receive("POST", map[string][]string{name: {"secret"}}, "")
		require.Empty(t, m.Headers, name)
		require.Equal(t, []string{name}, m.Redacted)
		m = event.Rules{Keep: []string{name}}.Receive("POST", map[string][]string{name: {"secret"}}, "")
		require.Len(t, m.Headers, 1, name)
		require.Empty(t, m.Redacted)
	}
	for _, name := range []string{
		"Next-Token", "X-Page-Token", "X-Goog-Channel-Token", "Idempotency-Key", "X-Idempotency-Key", "X-Hub-Signature-256", "Webhook-Signature", "X-Github-Event",
		"X-Goog-Pubsub-Message-Id", "X-Tokenizer", "Ce-Partitionkey", "Sec-Websocket-Key", "X-Auth-Request-Email", "X-Shopify-Hmac-Sha256",
	} {
		m := event.Rules{}.Receive("POST", map[string][]string{name: {"kept"}}, "")
		require.Len(t, m.Headers, 1, name)
		require.Empty(t, m.Redacted)
	}
}

func TestReceiveDropsParameters(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]event.Meta{
		"a=1&token=s3cret":            {Query: map[string][]string{"a": {"1"}}, Redacted: []string{"?token"}},
		"access_token=s3cret":         {Redacted: []string{"?access_token"}},
		"api_key=s3cret&sig=s3cret":   {Redacted: []string{"?api_key", "?sig"}},
		"TOKEN=s3cret&token=s3cret":   {Redacted: []string{"?TOKEN", "?token"}},
		"t%6Fken=s3cret&b=2":          {Query: map[string][]string{"b": {"2"}}, Redacted: []string{"?token"}},
		"q=%ff&token=s3cret":          {Query: map[string][]string{"q": {"ÿ"}}, RawQuery: "q=%ff", Redacted: []string{"?token"}},
		"q=%zz&token=%zzs3cret":       {Query: map[string][]string{"q": {"%zz"}}, RawQuery: "q=%zz", Redacted: []string{"?token"}},
		"%zztoken=s3cret":             {Redacted: []string{"?%zztoken"}},
		"a=1;token=s3cret":            {Query: map[string][]string{"a": {"1;token=REDACTED"}}, Redacted: []string{"?a?token"}},
		"to=%2Fx%3Ftoken%3Ds3cret%26": {Query: map[string][]string{"to": {"/x?token=REDACTED&"}}, Redacted: []string{"?to?token"}},
		"to=/x?a=b%26c%3Fsig=s3cret":  {Query: map[string][]string{"to": {"/x?a=b&c?sig=REDACTED"}}, Redacted: []string{"?to?sig"}},
		"mine=s3cret&nextToken=7":     {Query: map[string][]string{"nextToken": {"7"}}, Redacted: []string{"?mine"}},
		"key=7&page_token=x":          {Query: map[string][]string{"key": {"7"}, "page_token": {"x"}}},
		"a=b%26c&a=b;c&=&d":           {Query: map[string][]string{"a": {"b&c", "b;c"}, "": {""}, "d": {""}}},
	} {
		want.Method, want.Headers = "POST", map[string][]string{}
		got := event.Rules{Drop: []string{"?mine"}, Keep: []string{"?key"}}.Receive("POST", nil, raw)
		require.Equal(t, want, got, raw)
		require.NotContains(t, string(event.Event{Meta: got}.MetaJSON()), "s3cret")
	}
}

// A proxy or a browser repeats a URL in a header.
func TestReceiveDropsParametersInHeaders(t *testing.T) {
	t.Parallel()
	in := map[string][]string{
		"X-Original-Url": {"/event/x?a=1&token=s3cret&b=2", "other"},
		"Referer":        {"https://h/x?next=%2Fy%3Fapi_key%3Ds3cret#access_token=s3cret"},
		"Link":           {`<https://h/?sig=s3cret>; rel="next"`},
		"Content-Type":   {"multipart/form-data; boundary=key"},
	}
	m := event.Rules{}.Receive("POST", in, "")
	require.Equal(t, map[string][]string{
		"X-Original-Url": {"/event/x?a=1&token=REDACTED&b=2", "other"},
		"Referer":        {"https://h/x?next=%2Fy%3Fapi_key%3DREDACTED#access_token=REDACTED"},
		"Link":           {`<https://h/?sig=REDACTED>; rel="next"`},
		"Content-Type":   {"multipart/form-data; boundary=key"},
	}, m.Headers)
	require.Equal(t, []string{"Link?sig", "Referer?access_token", "Referer?api_key", "X-Original-Url?token"}, m.Redacted)
	require.Contains(t, in["X-Original-Url"][0], "s3cret", "the request is not changed")
}

// Whatever the query is, no value of a parameter that is named like a credential is in
// what is kept, and everything else is.
func TestNoSecretParameterIsKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom([]string{"token", "access_token", "api_key", "sig", "X-Amz-Signature", "Password", "client-secret"})
		harmless := rapid.SampledFrom([]string{"a", "page", "q%ff", "nextToken", "%zz", ""})
		var pairs []string
		kept := 0
		for range rapid.IntRange(1, 6).Draw(t, "pairs") {
			if rapid.Bool().Draw(t, "secret") {
				value := "c4n4ry" + rapid.StringMatching(`[a-z;?=%+/]{0,6}`).Draw(t, "value")
				name := names.Draw(t, "name")
				pairs = append(pairs, rapid.SampledFrom([]string{
					name + "=" + value, url.QueryEscape(name) + "=" + url.QueryEscape(value), "to=" + url.QueryEscape("/x?"+name+"="+url.QueryEscape(value)), "z=1;" + name + "=" + value,
				}).Draw(t, "form"))
				continue
			}
			pairs = append(pairs, harmless.Draw(t, "name")+"=kept")
			kept++
		}
		m := event.Rules{}.Receive("POST", map[string][]string{"Referer": {"https://h/?" + strings.Join(pairs, "&")}}, strings.Join(pairs, "&"))
		stored := string(event.Event{Meta: m}.MetaJSON())
		require.NotContains(t, stored, "c4n4ry")
		n := 0
		for _, values := range m.Query {
			for _, v := range values {
				if v == "kept" {
					n++
				}
			}
		}
		require.Equal(t, kept, n)
	})
}

func TestBinaryCloudEventHasNoCredentials(t *testing.T) {
	t.Parallel()
	h := map[string][]string{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"s"}, "Ce-Type": {"t"}, "Ce-Token": {"s3cret"}, "Ce-Mine": {"s3cret"}, "Ce-Partitionkey": {"p"}}
	attrs, err := event.CloudEvent(h, nil, event.Rules{Drop: []string{"Ce-Mine", "Ce-Id"}})
	require.NoError(t, err, "what every CloudEvent has stays")
	require.Equal(t, map[string]json.RawMessage{
		"specversion": json.RawMessage(`"1.0"`), "id": json.RawMessage(`"1"`), "source": json.RawMessage(`"s"`), "type": json.RawMessage(`"t"`), "partitionkey": json.RawMessage(`"p"`),
	}, attrs)
}

func BenchmarkReceive(b *testing.B) {
	h := map[string][]string{
		"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer x"}, "Content-Length": {"5"}, "Content-Type": {"application/json"}, "Forwarded": {`for="1.2.3.4";proto=https`},
		"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "User-Agent": {"curl/8.5.0"}, "X-Cloud-Trace-Context": {"105445aa7843bc8bf206b12000100000/1;o=1"},
		"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Proto": {"https"}, "Idempotency-Key": {"0af7651916cd43dd"},
	}
	b.ReportAllocs()
	for b.Loop() {
		event.Rules{}.Receive("POST", h, "a=1&b=2")
	}
}

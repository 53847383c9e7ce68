package event_test

import (
	"encoding/json"
	"net/textproto"
	"net/url"
	"slices"
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
		// The headers that were dropped before package credential had one list.
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

// For random queries, no value of a parameter with a credential's name is kept, and every
// other value is.
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

func TestCloudEventHasNoCredentials(t *testing.T) {
	t.Parallel()
	rules := event.Rules{Drop: []string{"Ce-Mine", "Ce-Id"}}
	want := map[string]json.RawMessage{
		"specversion": json.RawMessage(`"1.0"`), "id": json.RawMessage(`"1"`), "source": json.RawMessage(`"http://REDACTED@h/?token=REDACTED"`),
		"type": json.RawMessage(`"t"`), "partitionkey": json.RawMessage(`"p"`), "subject": json.RawMessage(`"/x?a=1&api_key=REDACTED"`),
	}
	left := []string{"Ce-Mine", "Ce-Other", "Ce-Source?@", "Ce-Source?token", "Ce-Subject?api_key", "Ce-Token"}
	same := func(meta event.Meta) {
		got := make(map[string]string)
		for name, raw := range meta.CloudEvent {
			got[name] = string(raw)
		}
		for name, raw := range want {
			var text, in string
			require.NoError(t, json.Unmarshal(raw, &text))
			require.NoError(t, json.Unmarshal([]byte(got[name]), &in))
			require.Equal(t, text, in, name)
		}
		require.Len(t, got, len(want), "what every CloudEvent has stays, and nothing that is named like a credential")
		require.Equal(t, left, slices.DeleteFunc(slices.Clone(meta.Redacted), func(name string) bool { return name == "Ce-Id" }))
		require.NotContains(t, string(event.Event{Meta: meta}.MetaJSON()), "s3cret")
	}
	binary := map[string][]string{
		"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"http://me:s3cret@h/%3Ftoken=s3cret"}, "Ce-Type": {"t"}, "Ce-Token": {"s3cret"}, "Ce-Mine": {"s3cret"},
		"Ce-Partitionkey": {"p"}, "Ce-Subject": {"%2Fx%3Fa=1%26api_key%3Ds3cret"}, "Ce-Other": {"Bearer s3cret"},
	}
	attrs, err := event.CloudEvent(binary, nil)
	require.NoError(t, err)
	meta := rules.Receive("POST", binary, "")
	rules.CloudEvent(&meta, attrs)
	same(meta)
	require.Contains(t, string(attrs["source"]), "s3cret", "an event's id is derived from it")

	attrs, err = event.StructuredCloudEvent([]byte(`{"specversion":"1.0","id":"1","source":"http://me:s3cret@h/?token=s3cret","type":"t","token":"s3cret","mine":"s3cret",
		"partitionkey":"p","subject":"/x?a=1&api_key=s3cret","other":"Bearer s3cret"}`))
	require.NoError(t, err)
	shared := event.Meta{Method: "POST"}
	items := []event.Meta{shared, shared}
	for i := range items {
		rules.CloudEvent(&items[i], attrs)
		same(items[i])
	}
	require.Empty(t, shared.Redacted)
}

// A value can mark a credential as well as a name can, and a URL may have one before its host.
func TestReceiveDropsCredentialsByValue(t *testing.T) {
	t.Parallel()
	in := map[string][]string{
		"Referer": {"http://u:s3cret@h/"}, "X-Upstream": {"see https://s3cret@h/x, ssh://git@h/y"}, "X-Database": {"postgres://u:s3cret@h/d"}, "X-Queue": {"amqp://guest@h"},
		"X-Upstream-Auth2": {"Bearer s3cret.a-b_c~d+e/f=="}, "X-Original": {"  bearer s3cret"}, "X-Basic": {"Basic dTpzM2NyZXQ="}, "X-Plan": {"Basic annual"}, "X-Story": {"Bearer of news"},
		"X-Aws": {"AWS4-HMAC-SHA256 Credential=AKIAs3cret/20260101/eu/s3/aws4_request, SignedHeaders=host, Signature=s3cret"}, "X-Many": {"a", "Bearer s3cret"},
		"Www-Authenticate": {`Bearer realm="x"`}, "X-Negotiated": {"Negotiate YIIs3cretYIIs3cret=="}, "User-Agent": {"Mozilla/5.0 (X11; Linux x86_64)"},
		"Bearer": {"s3cret"}, "X-Bearer": {"s3cret"}, "X-Session-Id": {"s3cret"}, "X-Session": {"s3cret0123456789"}, "X-Ticket": {"Montreux"}, "X-Amzn-Oidc-Data": {"s3cret"},
		"X-Link": {"https%3A%2F%2Fu%3As3cret%40h%2F"}, "X-Percent": {"100%25 @ h"}, "X-Mail": {"me@example.org"},
	}
	m := event.Rules{}.Receive("POST", in, "")
	require.Equal(t, map[string][]string{
		"Referer": {"http://REDACTED@h/"}, "X-Upstream": {"see https://REDACTED@h/x, ssh://git@h/y"}, "X-Database": {"postgres://REDACTED@h/d"}, "X-Queue": {"amqp://guest@h"},
		"X-Plan": {"Basic annual"}, "X-Story": {"Bearer of news"}, "Www-Authenticate": {`Bearer realm="x"`}, "User-Agent": {"Mozilla/5.0 (X11; Linux x86_64)"}, "X-Ticket": {"Montreux"},
		"X-Link": {"https://REDACTED@h/"}, "X-Percent": {"100%25 @ h"}, "X-Mail": {"me@example.org"},
	}, m.Headers)
	require.Equal(t, []string{"Bearer", "Referer?@", "X-Amzn-Oidc-Data", "X-Aws", "X-Basic", "X-Bearer", "X-Database?@", "X-Link?@", "X-Many", "X-Negotiated", "X-Original",
		"X-Session", "X-Session-Id", "X-Upstream-Auth2", "X-Upstream?@"}, m.Redacted)

	m = event.Rules{Keep: []string{"X-Original", "X-Session", "?@", "?ticket", "?to"}}.Receive("POST", map[string][]string{
		"X-Original": {"Bearer mine"}, "X-Session": {"0123456789abcdef"}, "Referer": {"http://u:p@h/"}}, "ticket=ST-1-0123456789abc&to=http://u:p@h/")
	require.Empty(t, m.Redacted, "what is configured to be kept is")
	require.Len(t, m.Headers, 3)
	require.Len(t, m.Query, 2)
}

// Some names are common for ordinary data as well as for credentials: the value decides.
func TestReceiveDropsParametersByValue(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		"code=4/0AY0e-s3cret12345", "ticket=ST-1-aA74cVvs3cret", "session=s3cret-0123456789", "sas=s3cret", "sid=s3cret", "otp=s3cret", "bearer=s3cret", "assertion=s3cret",
		"oauth_verifier=s3cret", "session_id=s3cret", "x=Bearer%20s3cret", "x=Basic+dTpzM2NyZXQ%3D", "SID=s3cret", "c%6Fde=s3cret-0123456789",
	} {
		name, _, _ := strings.Cut(strings.Replace(secret, "%6F", "o", 1), "=")
		m := event.Rules{}.Receive("POST", map[string][]string{"Referer": {"http://h/?" + secret}}, "a=1&"+secret)
		require.Equal(t, map[string][]string{"a": {"1"}}, m.Query, secret)
		require.Equal(t, []string{"?" + name, "Referer?" + name}, m.Redacted, secret)
		require.NotContains(t, strings.ToLower(string(event.Event{Meta: m}.MetaJSON())), "s3cret")
	}
	for _, kept := range []string{
		"code=EC1A1BB", "code=WELCOME10", "code=8001", "pin=110001", "pin=1234", "session=keynote", "session=The+opening+session+of+2026", "ticket=48213", "ticket=HELP-4711", "status_code=200",
		"zip_code=0123456789abcdefg", "ticket=12345678901234567890",
	} {
		m := event.Rules{}.Receive("POST", nil, kept)
		require.Len(t, m.Query, 1, kept)
		require.Empty(t, m.Redacted, kept)
	}
	m := event.Rules{}.Receive("POST", nil, "to=http://u:s3cret@h/&back=http%3A%2F%2Fs3cret%40h%2F&d=http%253A%252F%252Fu%253As3cret%2540h")
	require.Equal(t, map[string][]string{"to": {"http://REDACTED@h/"}, "back": {"http://REDACTED@h/"}, "d": {"http%3A%2F%2FREDACTED%40h"}}, m.Query)
	require.Equal(t, []string{"?back?@", "?d?@", "?to?@"}, m.Redacted)
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

// The attributes of a push are kept like headers.
func TestAttributesLoseCredentials(t *testing.T) {
	t.Parallel()
	m := event.Meta{Redacted: []string{"Authorization"}}
	event.Rules{Drop: []string{"Internal"}}.PubSub(&m, event.PubSub{OrderingKey: "k", Attributes: map[string]string{
		"region": "eu", "access_token": "s3cret", "internal": "x", "link": "https://h/?page=2&token=s3cret",
	}})
	require.Equal(t, map[string]string{"region": "eu", "link": "https://h/?page=2&token=REDACTED"}, m.PubSub.Attributes)
	require.Equal(t, "k", m.PubSub.OrderingKey)
	require.Equal(t, []string{"Access_token", "Authorization", "Internal", "Link?token"}, m.Redacted)
}

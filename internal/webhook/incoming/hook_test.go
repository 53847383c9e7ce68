package incoming_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/expression"
	"github.com/headgate/headgate/internal/webhook/incoming"
	"github.com/headgate/headgate/internal/webhook/signature"
)

func compiled(t *testing.T, text string) *expression.Expression {
	t.Helper()
	e, err := expression.Compile(text)
	require.NoError(t, err)
	return e
}

func entityOf(h *incoming.Hook, header http.Header, body string) (entity, id string, err error) {
	w, err := h.Take(signature.Request{Header: header, Body: []byte(body)}, time.Now())
	if err != nil {
		return "", "", err
	}
	return w.Entity()
}

func TestHookExpressions(t *testing.T) {
	t.Parallel()
	h := &incoming.Hook{Name: "h", Verify: incoming.None,
		Entity: compiled(t, `body.repository.owner + "/" + headers["x-kind"]`), ID: compiled(t, `body.number`)}
	e, i, err := entityOf(h, http.Header{"X-Kind": {"issues"}}, `{"repository":{"owner":"acme"},"number":7}`)
	require.NoError(t, err)
	require.Equal(t, "acme/issues 7", e+" "+i)
	for _, bad := range []string{`{}`, `[]`, `nonsense`, `{"repository":{"owner":"acme"},"number":[]}`, `{"repository":{"owner":"s3cret"},"number":{}}`} {
		_, _, err = entityOf(h, http.Header{"X-Kind": {"issues"}}, bad)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), bad)
		require.NotContains(t, err.Error(), "s3cret")
	}
	_, err = expression.Compile(`body.`)
	require.Error(t, err)
}

// Ids are often numbers. No digit of them is lost, within an expression either.
func TestNumbersOfHooks(t *testing.T) {
	t.Parallel()
	plain, text, item := `body.n`, `"n" + string(body.n)`, `body.list[0].n`
	for _, c := range []struct{ expression, body, want string }{
		{plain, `{"n":12000000}`, "12000000"},
		{text, `{"n":12000000}`, "n12000000"},
		{item, `{"list":[{"n":12000000}]}`, "12000000"},
		{plain, `{"n":-5}`, "-5"},
		{plain, `{"n":9007199254740993}`, "9007199254740993"},
		{plain, `{"n":18446744073709551615}`, "18446744073709551615"},
		{plain, `{"n":123456789012345678901234567890}`, "123456789012345678901234567890"},
		{plain, `{"n":1.5}`, "1.5"},
		{plain, `{"n":1.2e7}`, "12000000"},
		{plain, `{"n":0.0000001}`, "0.0000001"},
		{`body.n == 7.0 && body.n == 7 && body.n > 6.5 ? "seven" : "other"`, `{"n":7}`, "seven"},
	} {
		e := compiled(t, c.expression)
		_, id, err := entityOf(&incoming.Hook{Name: "h", Verify: incoming.None, Entity: e, ID: e}, nil, c.body)
		require.NoError(t, err, "%s of %s", c.expression, c.body)
		require.Equal(t, c.want, id, "%s of %s", c.expression, c.body)
	}
	e := compiled(t, plain)
	for _, bad := range []string{`{"n":1e999}`, `{"n":1}}`, `{"n":1} {}`, ``} {
		_, _, err := entityOf(&incoming.Hook{Name: "h", Verify: incoming.None, Entity: e, ID: e}, nil, bad)
		require.ErrorContains(t, err, "not JSON", bad)
	}
}

// A webhook that is sent again has the same id, whoever sends it. Two webhooks never share
// one.
func TestIDsOfSenders(t *testing.T) {
	t.Parallel()
	id := func(h *incoming.Hook, body string, headers ...string) string {
		header := http.Header{}
		for i := 0; i < len(headers); i += 2 {
			header.Set(headers[i], headers[i+1])
		}
		w, err := h.Take(signature.Request{Header: header, Body: []byte(body)}, time.Now())
		require.NoError(t, err)
		return w.ID
	}
	plain := &incoming.Hook{Name: "h", Verify: incoming.None}
	seen := map[string]bool{}
	for _, headers := range [][]string{
		{"webhook-id", "1"}, {"svix-id", "1"}, {"idempotency-key", "1"}, {"X-Shopify-Webhook-Id", "1"}, {"Shopify-Webhook-Id", "1"},
		{"I-Twilio-Idempotency-Token", "1"}, {"X-Request-UUID", "1", "X-Hub-Signature", "sha256=x"}, {"X-GitHub-Delivery", "2"},
		{"X-Shopify-Event-Id", "1", "X-Shopify-Topic", "orders/create"}, {"X-Shopify-Event-Id", "1", "X-Shopify-Topic", "orders/paid"},
		{"X-Shopify-Event-Id", "1b", "X-Shopify-Topic", "a"}, {"X-Shopify-Event-Id", "b", "X-Shopify-Topic", "a1"},
	} {
		got := id(plain, "{}", headers...)
		require.NotEmpty(t, got, headers)
		require.False(t, seen[got], "%q of %q", got, headers)
		seen[got] = true
	}
	require.Empty(t, id(plain, "{}", "X-Request-UUID", "1"), "of a proxy, perhaps another one each time")
	require.Empty(t, id(plain, `{"id":"evt_1"}`), "only of senders whose ids these are")

	own := &incoming.Hook{Name: "h", Verify: incoming.None, WebhookID: compiled(t, `'x-id' in headers ? headers['x-id'] : ''`)}
	require.Equal(t, "7", id(own, "{}", "X-Id", "7", "Webhook-Id", "8"))
	require.Empty(t, id(own, "{}", "Webhook-Id", "8"))
	_, err := (&incoming.Hook{Name: "h", Verify: incoming.None, WebhookID: compiled(t, `body.id`)}).Take(signature.Request{Body: []byte(`{}`)}, time.Now())
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}

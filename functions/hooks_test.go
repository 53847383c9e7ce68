package functions

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/signature"
)

// held is the source of a sync. It holds back its first answer.
type held struct {
	reached chan struct{}
	open    func()
	reads   atomic.Int64
}

// holdSync defines the sync "held".
func (g *gateway) holdSync() *held {
	g.Helper()
	h := &held{reached: make(chan struct{})}
	gate := make(chan struct{})
	h.open = sync.OnceFunc(func() { close(gate) })
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := h.reads.Add(1)
		if n == 1 {
			close(h.reached)
			<-gate
		}
		_, _ = fmt.Fprintf(w, `[{"id":"1","n":%d}]`, n)
	}))
	g.Cleanup(func() { h.open(); source.Close() })
	g.define(`{"id":"held","orgId":"acme","type":"pull","datasource":{"type":"api","url":"` + source.URL + `/","selectedDatatypes":["item"],"options":{"list":"{type}"}},
		"mapping":{"item":{"key":["id"],"fields":{"n":{"from":"n","type":"number"}}}}}`)
	return h
}

// A hook whose sync is at work stores the webhook and answers 202. One run follows for all
// of them, and a webhook that is sent again starts none.
func TestHooksWhoseSyncIsAtWork(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(`,"hooks":[{"name":"h","verify":{"type":"none"},"sync":"held","event":{"eventKey":"entry1"}}]`), true)
	source := g.holdSync()
	hook := func(id string) answer { return g.do("POST", "/hooks/h", "{}", "Webhook-Id", id) }
	first := hook("1")
	require.Equal(t, 200, first.status, "%s", first.raw)
	<-source.reached
	second := hook("2")
	require.Equal(t, 202, second.status, "%s", second.raw)
	require.Equal(t, true, second.json["waiting"])
	require.NotEqual(t, first.str("runId"), second.str("runId"))
	third := hook("3")
	require.Equal(t, 202, third.status)
	require.Equal(t, second.str("runId"), third.str("runId"), "one run for both")
	require.Equal(t, true, hook("2").json["duplicate"])
	require.Equal(t, 202, g.do("POST", "/hooks/h", "{}").status, "it has no id")
	require.Equal(t, "pending", g.do("GET", "/sync/held/runs/"+url.PathEscape(second.str("runId")), "").str("state"))
	source.open()
	require.Eventually(t, func() bool {
		runs := g.do("GET", "/sync/held/runs", "").list("runs")
		return len(runs) == 2 && runs[0]["state"] == "finished" && runs[1]["state"] == "finished"
	}, time.Minute, 10*time.Millisecond)
	require.EqualValues(t, 2, source.reads.Load(), "the second run read what the source had after the webhooks")
	for _, id := range []string{"1", "2", "3"} {
		require.Equal(t, true, hook(id).json["duplicate"])
	}
	require.Equal(t, 4.0, g.do("GET", "/status", "").list("endpoints")[0]["have"], "an event each, and one for that without an id")
}

// A message whose sync is at work is sent again later.
func TestAMessageWhoseSyncIsAtWork(t *testing.T) {
	t.Parallel()
	g := newGatewayOn(t, oneService(`,"onMessage":{"sync":"held"}`), true)
	source := g.holdSync()
	require.Equal(t, 202, g.do("POST", "/sync/held/run", "").status)
	<-source.reached
	m := push(map[string]string{"serviceName": "My First Event Sync", "eventID": "1"}, "{}")
	a := g.do("POST", "/sync/message", m)
	require.Equal(t, 503, a.status, "%s", a.raw)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	source.open()
	require.Eventually(t, func() bool { return g.do("POST", "/sync/message", m).status == 204 }, time.Minute, 10*time.Millisecond)
}

// A webhook for a one-time sync that has finished is taken: no retry would change anything.
func TestAHookOfAFinishedSync(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"hooks":[{"name":"h","verify":{"type":"none"},"sync":"readings"}]`))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(`,"isOneTime":true`))
	g.runSync("readings", "")
	a := g.do("POST", "/hooks/h", "{}", "Webhook-Id", "1")
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Empty(t, a.str("runId"))
	require.Equal(t, true, g.do("POST", "/hooks/h", "{}", "Webhook-Id", "1").json["duplicate"])
	require.Contains(t, g.logs.String(), "one-time")
}

// A signal that does not reach the bus costs a webhook neither its run nor its event.
func TestAHookWhoseSignalFails(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"live":{"topic":"`+deadTopic+`"},"hooks":[
		{"name":"h","verify":{"type":"none"},"entity":"'items'","id":"'1'","signal":true,"sync":"readings"},
		{"name":"s","verify":{"type":"none"},"entity":"'items'","id":"'1'","signal":true}]`))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	g.bus.set(errUnreachable)
	a := g.do("POST", "/hooks/h", "{}", "Webhook-Id", "1")
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.NotEmpty(t, a.str("runId"))
	require.Equal(t, 503, g.do("POST", "/hooks/s", "{}", "Webhook-Id", "1").status)
	g.bus.set(nil)
	require.Equal(t, false, g.do("POST", "/hooks/s", "{}", "Webhook-Id", "1").json["duplicate"])
}

func mac(secret, text string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(m, text)
	return m.Sum(nil)
}

// webhookRecipe returns a hook of docs/webhooks.md, with a secret.
func webhookRecipe(t *testing.T, name, secret string) string {
	t.Helper()
	doc, err := os.ReadFile("../docs/webhooks.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(doc), "\n### Senders\n")
	require.True(t, found)
	for _, block := range strings.Split(section, "```json\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		if strings.HasPrefix(text, `{"name": "`+name+`"`) {
			return regexp.MustCompile(`"env:[A-Z_]+"`).ReplaceAllString(text, `"`+secret+`"`)
		}
	}
	require.Fail(t, "the document has no recipe", name)
	return ""
}

// The recipes of docs/webhooks.md take webhooks as their senders make them, once each.
func TestRecipesOfWebhooks(t *testing.T) {
	t.Parallel()
	const secret = "It's a Secret to Everybody"
	now := fmt.Sprint(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Unix())
	hub := func(body string) string { return "sha256=" + hubSignature(secret, body) }
	base := func(text string) string { return base64.StdEncoding.EncodeToString(mac(secret, text)) }
	v0 := func(body string) string { return "v0=" + hex.EncodeToString(mac(secret, "v0:"+now+":"+body)) }
	twilio := hmac.New(sha1.New, []byte(secret))
	_, _ = io.WriteString(twilio, "https://h.example/hooks/twilioBodyhelloSmsSidSM1")
	const (
		form             = "application/x-www-form-urlencoded"
		pushed           = `{"ref":"refs/heads/main"}`
		payload          = `payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D`
		charge           = `{"id":"evt_1","type":"charge.succeeded"}`
		callback, asked  = `{"type":"event_callback","event_id":"Ev1"}`, `{"type":"url_verification","challenge":"3eZ"}`
		started, gitPush = `{"event":"meeting.started"}`, `{"object_kind":"push"}`
	)
	for name, c := range map[string]struct {
		recipe, body string
		headers      []string
	}{
		"github":           {"code", pushed, []string{"X-Hub-Signature-256", hub(pushed), "X-GitHub-Delivery", "72d3162e", "X-GitHub-Event", "push"}},
		"github, a form":   {"code", payload, []string{"X-Hub-Signature-256", hub(payload), "X-GitHub-Delivery", "72d3162e", "X-GitHub-Event", "push", "Content-Type", form}},
		"gitlab":           {"gitlab", gitPush, []string{"X-Gitlab-Token", secret, "Idempotency-Key", "f5e5f430"}},
		"bitbucket":        {"bitbucket", `{"push":{}}`, []string{"X-Hub-Signature", hub(`{"push":{}}`), "X-Request-UUID", "5d9a", "X-Event-Key", "repo:push"}},
		"stripe":           {"stripe", charge, []string{"Stripe-Signature", "t=" + now + ",v1=" + hex.EncodeToString(mac(secret, now+"."+charge))}},
		"slack":            {"slack", callback, []string{"X-Slack-Request-Timestamp", now, "X-Slack-Signature", v0(callback)}},
		"shopify":          {"shopify", `{"id":1}`, []string{"X-Shopify-Hmac-SHA256", base(`{"id":1}`), "X-Shopify-Webhook-Id", "b54557e4", "X-Shopify-Topic", "orders/create"}},
		"shopify's events": {"shopify", `{"id":1}`, []string{"Shopify-Hmac-Sha256", base(`{"id":1}`), "Shopify-Webhook-Id", "b54557e4", "X-Shopify-Topic", "orders/create"}},
		"twilio":           {"twilio", "SmsSid=SM1&Body=hello", []string{"X-Twilio-Signature", base64.StdEncoding.EncodeToString(twilio.Sum(nil)), "I-Twilio-Idempotency-Token", "t1", "Content-Type", form}},
		"zoom":             {"zoom", started, []string{"X-Zm-Request-Timestamp", now, "X-Zm-Signature", v0(started), "X-Zm-Trackingid", "z1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, oneService(`,"publicURL":"https://h.example","hooks":[`+webhookRecipe(t, c.recipe, secret)+`]`))
			g.file("readings.csv", threeReadings)
			g.define(readingsSync(""))
			path := "/hooks/" + c.recipe
			requireProblem(t, g.do("POST", path, c.body), 401, "it is not signed: the header ")
			if name != "gitlab" { // whose token does not cover the body
				requireProblem(t, g.do("POST", path, c.body+"x", c.headers...), 401)
			}
			first := g.do("POST", path, c.body, c.headers...)
			require.Equal(t, 200, first.status, "%s", first.raw)
			require.NotEmpty(t, first.str("eventId")+first.str("runId"), "%s", first.raw)
			again := g.do("POST", path, c.body, c.headers...)
			require.Equal(t, true, again.json["duplicate"], "%s", again.raw)
			require.NotContains(t, g.logs.String()+string(g.do("GET", "/config", "").raw), secret)
		})
	}
	t.Run("github's ping, and another branch", func(t *testing.T) {
		t.Parallel()
		g := newGateway(t, oneService(`,"hooks":[`+webhookRecipe(t, "code", secret)+`]`))
		for body, event := range map[string]string{`{"zen":"Keep it logically awesome."}`: "ping", `{"ref":"refs/heads/x"}`: "push"} {
			a := g.do("POST", "/hooks/code", body, "X-Hub-Signature-256", hub(body), "X-GitHub-Event", event)
			require.Equal(t, true, a.json["dropped"], "%s", a.raw)
		}
	})
	t.Run("slack's question", func(t *testing.T) {
		t.Parallel()
		g := newGateway(t, oneService(`,"hooks":[`+webhookRecipe(t, "slack", secret)+`]`))
		require.Equal(t, "3eZ", string(g.do("POST", "/hooks/slack", asked, "X-Slack-Request-Timestamp", now, "X-Slack-Signature", v0(asked)).raw))
	})
}

// A form that carries JSON becomes an event with that JSON.
func TestAFormWithAPayload(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"hooks":[{"name":"h","verify":{"type":"none"},"event":{"eventKey":"entry1"}}]`))
	require.Equal(t, 200, g.do("POST", "/hooks/h", "payload=%7B%22a%22%3A1%7D", "Content-Type", "application/x-www-form-urlencoded; charset=utf-8").status)
	g.event("entry2", "x")
	require.Contains(t, string(g.bus.all()[0].Data), fmt.Sprintf("%q", `{"a":1}`))
}

// Slack asks once whether the address is ours, in a signed request.
func TestSlackAsksForItsChallenge(t *testing.T) {
	t.Parallel()
	const secret = "8f742231b10e8888abcd99yyyzzz85a5"
	g := newGateway(t, oneService(`,"hooks":[{"name":"h","verify":{"type":"slack","secrets":["`+secret+`"]},"when":"body.type == 'event_callback'","event":{"eventKey":"entry1"}}]`))
	// api.slack.com/events/url_verification
	const body = `{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}`
	now := fmt.Sprint(g.clock().Unix())
	signed := []string{"X-Slack-Request-Timestamp", now, "X-Slack-Signature", "v0=" + hex.EncodeToString(mac(secret, "v0:"+now+":"+body))}
	require.Equal(t, 401, g.do("POST", "/hooks/h", body).status)
	a := g.do("POST", "/hooks/h", body, signed...)
	require.Equal(t, 200, a.status)
	require.Equal(t, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", string(a.raw))
	require.Equal(t, "text/plain; charset=utf-8", a.header.Get("Content-Type"))
	require.Equal(t, 0.0, g.do("GET", "/status", "").list("endpoints")[0]["have"])
}

// A webhook that is not meant is acknowledged and has no effect, not even on its id.
func TestWebhooksThatAreNotMeant(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"hooks":[{"name":"h","verify":{"type":"none"},
		"when":"headers['x-github-event'] == 'push' && body.ref == 'refs/heads/main'","entity":"'repos'","id":"body.repository.full_name","event":{"eventKey":"entry1"}}]`))
	const ping, main = `{"zen":"Keep it logically awesome."}`, `{"ref":"refs/heads/main","repository":{"full_name":"octo-org/octo-repo"}}`
	for body, event := range map[string]string{ping: "ping", strings.Replace(main, "main", "other", 1): "push"} {
		a := g.do("POST", "/hooks/h", body, "X-GitHub-Event", event, "X-GitHub-Delivery", "1")
		require.Equal(t, 200, a.status, "%s", a.raw)
		require.Equal(t, true, a.json["dropped"])
	}
	requireProblem(t, g.do("POST", "/hooks/h", "nonsense", "X-GitHub-Event", "push"), 400, "not JSON")
	requireProblem(t, g.do("POST", "/hooks/h", `{}`, "X-GitHub-Event", "push"), 400, "condition of hook h", `"ref"`)
	a := g.do("POST", "/hooks/h", main, "X-GitHub-Event", "push", "X-GitHub-Delivery", "1")
	require.Equal(t, 200, a.status)
	require.Equal(t, "octo-org/octo-repo", a.str("id"))
	require.Equal(t, 1.0, g.do("GET", "/status", "").list("endpoints")[0]["have"])
}

// The limit of a webhook is its hook's. A large body is stored whole.
func TestTheLimitOfAWebhook(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(`,"maxMessageBytes":9900000,"hooks":[{"name":"h","verify":{"type":"none"},"event":{"eventKey":"entry1"}},
		{"name":"large","verify":{"type":"none"},"maxBytes":8388608,"event":{"eventKey":"entry1"}},
		{"name":"huge","verify":{"type":"none"},"maxBytes":26214400,"sync":"readings"}],"echo":{"maxBytes":2000000}`))
	g.file("readings.csv", threeReadings)
	g.define(readingsSync(""))
	body := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	require.Equal(t, 200, g.do("POST", "/hooks/h", body(1<<20)).status)
	requireProblem(t, g.do("POST", "/hooks/h", body(1<<20+1)), 413, "1048576", "maxBytes")
	require.Equal(t, 200, g.do("POST", "/hooks/large", body(5_000_000)).status)
	require.Equal(t, 200, g.do("POST", "/hooks/huge", body(25<<20)).status)
	requireProblem(t, g.do("POST", "/hooks/huge", body(25<<20+1)), 413, "26214400")
	requireProblem(t, g.do("POST", "/echo-external-data-webhook", body(2_000_001)), 413, "echo.maxBytes")
	g.event("entry2", "x")
	require.Contains(t, string(g.do("GET", "/messages/"+g.do("GET", "/messages", "").list("messages")[0]["eventID"].(string), "").raw), strings.Repeat("x", 4_999_998))
}

// Twilio and Square sign the address that they call, which is publicURL.
func TestTheAddressOfAWebhook(t *testing.T) {
	t.Parallel()
	s := signature.Scheme{Header: "X-Square-Hmacsha256-Signature", Encoding: "base64", Signed: "{url}{body}"}
	require.Empty(t, s.Faults())
	g := newGateway(t, oneService(`,"publicURL":"https://h.example/","hooks":[{"name":"h","verify":{"type":"hmac","secrets":["0123456789abcdef"],
		"header":"`+s.Header+`","encoding":"base64","signed":"{url}{body}"},"event":{"eventKey":"entry1"}}]`))
	signed := base64.StdEncoding.EncodeToString(mac("0123456789abcdef", `https://h.example/hooks/h{}`))
	require.Equal(t, 200, g.do("POST", "/hooks/h", "{}", s.Header, signed).status)
	require.Equal(t, 401, g.do("POST", "/hooks/h", "{} ", s.Header, signed).status)
}

package functions

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/event"
)

// vectorsFile has the cases of the tests of all client libraries. It is made here, from what the
// server really sends and answers, so a library that passes reads the server's messages.
const vectorsFile = "../client/vectors.json"

type clientVectors struct {
	About    string           `json:"about"`
	Messages []messageVector  `json:"messages"`
	Refused  []envelopeVector `json:"refusedPushes"`
	Webhooks []webhookVector  `json:"webhooks"`
	Retries  []retryVector    `json:"retries"`
}

// messageVector is a message as the server published it, and the requests by which Pub/Sub
// pushes it.
type messageVector struct {
	Name       string            `json:"name"`
	Format     string            `json:"format"`
	Data       string            `json:"data"`
	Attributes map[string]string `json:"attributes"`
	Wrapped    envelopeVector    `json:"wrapped"`
	Unwrapped  envelopeVector    `json:"unwrapped"`
	Bare       envelopeVector    `json:"unwrappedWithoutMetadata"`
	// Whole is the answer of the message's contentURL, if the message is a claim check.
	Whole  string        `json:"whole,omitempty"`
	Expect messageExpect `json:"expect"`
}

// messageExpect has the fields that a consumer must have read, in every envelope.
type messageExpect struct {
	EventID        string              `json:"eventID"`
	ServiceName    string              `json:"serviceName"`
	TriggerType    string              `json:"triggerType"`
	Date           string              `json:"date"`
	Completion     string              `json:"completion"`     // "" where the format does not have it
	CorrelationKey string              `json:"correlationKey"` // "" as well
	Missing        []string            `json:"missing"`
	ClaimCheck     bool                `json:"claimCheck"`
	ContentURL     string              `json:"contentURL"`
	Counts         map[string]int      `json:"counts"`
	First          map[string]string   `json:"firstEventDate"`
	Contents       map[string][]string `json:"contentsBase64"` // of the whole message, decoded bodies
}

type envelopeVector struct {
	Name    string            `json:"name,omitempty"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func TestClientVectors(t *testing.T) {
	t.Parallel()
	v := clientVectors{
		About:    "Made by the server's tests: go test ./functions -run TestClientVectors -update. The client libraries of every language are tested with it.",
		Messages: messageVectors(t), Refused: refusedPushes(), Webhooks: webhookVectors(t), Retries: retryVectors(t),
	}
	var made bytes.Buffer
	enc := json.NewEncoder(&made)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(v))
	if *update {
		require.NoError(t, os.WriteFile(vectorsFile, made.Bytes(), 0o600))
	}
	stored, err := os.ReadFile(vectorsFile)
	require.NoError(t, err)
	require.Equal(t, string(stored), made.String(), "after a change of messages, signatures or retries, run this test with -update, and the tests of all clients")
}

func messageVectors(t *testing.T) (all []messageVector) {
	const window = `"window":"anchored","onClose":"partial","observationPeriod"`
	keyed := func(format string) *gateway {
		more := `,"publicURL":"https://gate.example","correlation":{"key":"event.body.orderId"},"messageFormat":"` + format + `"`
		return newGateway(t, strings.Replace(oneService(more), `"observationPeriod"`, window, 1))
	}
	for _, format := range []string{"headgate", "eventsync-1", "eventsync-2"} {
		g := newGateway(t, oneService(`,"publicURL":"https://gate.example","messageFormat":"`+format+`"`))
		g.event("entry1", "hello, wörld <&>\n", "Idempotency-Key", "a", "Content-Type", "text/plain; charset=utf-8")
		g.advance(1500 * time.Millisecond)
		g.do("PUT", "/event/entry2?q=1&q=2", `{"n":12345678901234567890}`, "Idempotency-Key", "b")
		all = append(all, vectorOf(t, g, format+", complete", format))

		g.event("entry1", "alone", "Idempotency-Key", "c")
		g.do("POST", "/trigger", "")
		all = append(all, vectorOf(t, g, format+", manual", format))

		g = keyed(format)
		g.event("entry1", `{"orderId":"17 ü"}`, "Idempotency-Key", "a")
		g.event("entry2", `{"orderId":"17 ü"}`, "Idempotency-Key", "b")
		all = append(all, vectorOf(t, g, format+", correlated", format))

		g.event("entry1", `{"orderId":18}`, "Idempotency-Key", "c")
		g.advance(2 * time.Hour)
		g.do("POST", "/sweep", "")
		all = append(all, vectorOf(t, g, format+", partial", format))
	}
	g := newGateway(t, oneService(""))
	g.event("entry1", "\x00\xff\xfe", "Idempotency-Key", "a")
	g.event("entry2", "", "Idempotency-Key", "b", "ce-specversion", "1.0", "ce-id", "7", "ce-source", "/s", "ce-type", "t")
	all = append(all, vectorOf(t, g, "headgate, binary and empty bodies", "headgate"))

	for name, events := range map[string]int{"headgate, claim check without content": 1, "headgate, claim check without events": 30} {
		g := newGateway(t, oneService(`,"maxMessageBytes":2000,"publicURL":"https://gate.example"`))
		for i := range events {
			g.event("entry1", strings.Repeat("é", 1500/events), "Idempotency-Key", strconv.Itoa(i))
		}
		g.event("entry2", "small", "Idempotency-Key", "last")
		all = append(all, vectorOf(t, g, name, "headgate"))
	}
	slices.SortStableFunc(all, func(a, b messageVector) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// vectorOf returns the last message that g published.
func vectorOf(t *testing.T, g *gateway, name, format string) messageVector {
	sent := g.bus.all()
	require.NotEmpty(t, sent, name)
	m := sent[len(sent)-1]
	v := messageVector{Name: name, Format: format, Data: string(m.Data), Attributes: m.Attributes}
	v.Wrapped, v.Unwrapped, v.Bare = wrapped(t, m), unwrapped(m), envelopeVector{Headers: map[string]string{"Content-Type": "application/json"}, Body: string(m.Data)}
	whole := m.Data
	if m.Attributes["claimCheck"] == "true" {
		whole = g.do("GET", "/messages/"+m.Attributes["eventID"], "").raw
		v.Whole = string(whole)
	}
	v.Expect = expectedOf(t, m.Data, whole)
	require.Equal(t, m.Attributes["eventID"], v.Expect.EventID)
	return v
}

func expectedOf(t *testing.T, data, whole []byte) messageExpect {
	type list struct {
		Old            string                                      `json:"FirstEventDate"`
		NumberOfEvents int                                         `json:"numberOfEvents"`
		Events         []struct{ Content, ContentEncoding string } `json:"events"`
	}
	var m struct {
		EventID, ServiceName, TriggerType, Date, Completion, CorrelationKey, ContentURL string

		Missing []struct{ EventKey string }
		Events  map[string]list
	}
	require.NoError(t, json.Unmarshal(data, &m))
	e := messageExpect{
		EventID: m.EventID, ServiceName: m.ServiceName, TriggerType: m.TriggerType, Date: m.Date, Completion: m.Completion, CorrelationKey: m.CorrelationKey,
		ClaimCheck: m.ContentURL != "", ContentURL: m.ContentURL, Missing: []string{}, Counts: map[string]int{}, First: map[string]string{}, Contents: map[string][]string{},
	}
	for _, one := range m.Missing {
		e.Missing = append(e.Missing, one.EventKey)
	}
	require.NoError(t, json.Unmarshal(whole, &m))
	for key, l := range m.Events {
		e.Counts[key] = l.NumberOfEvents
		if l.NumberOfEvents > 0 {
			e.First[key] = l.Old // Go's decoder takes either spelling
		}
		e.Contents[key] = []string{}
		for _, one := range l.Events {
			content := one.Content
			if one.ContentEncoding == "" {
				content = base64.StdEncoding.EncodeToString([]byte(content))
			}
			e.Contents[key] = append(e.Contents[key], content)
		}
	}
	return e
}

const (
	pushID           = "8721337204512936"
	pushTime         = "2026-05-01T12:00:00.123Z"
	pushSubscription = "projects/test-project/subscriptions/mine"
)

// wrapped returns the request by which Pub/Sub pushes a message.
func wrapped(t *testing.T, m bus.Message) envelopeVector {
	body, err := json.Marshal(map[string]any{
		"message": map[string]any{
			"attributes": m.Attributes, "data": base64.StdEncoding.EncodeToString(m.Data),
			"messageId": pushID, "message_id": pushID, "publishTime": pushTime, "publish_time": pushTime,
		},
		"subscription": pushSubscription, "deliveryAttempt": 2,
	})
	require.NoError(t, err)
	push, ok := event.DecodePush(body)
	require.True(t, ok, "the server itself reads it as a push")
	require.Equal(t, m.Data, push.Data)
	return envelopeVector{Headers: map[string]string{"Content-Type": "application/json"}, Body: string(body)}
}

// unwrapped returns the request of a subscription that pushes without a wrapper, and writes
// the metadata as headers.
func unwrapped(m bus.Message) envelopeVector {
	h := map[string]string{
		"Content-Type": "application/json", "X-Goog-Pubsub-Message-Id": pushID, "X-Goog-Pubsub-Publish-Time": pushTime,
		"X-Goog-Pubsub-Subscription-Name": pushSubscription,
	}
	for name, value := range m.Attributes {
		if strings.IndexFunc(value, func(r rune) bool { return r > '~' }) < 0 { // in a header, the spelling of any other value is not sure
			h[http.CanonicalHeaderKey(name)] = value
		}
	}
	return envelopeVector{Headers: h, Body: string(m.Data)}
}

// refusedPushes have no sync message. Pub/Sub would deliver them until their retention ends,
// so a consumer acknowledges them and says so.
func refusedPushes() []envelopeVector {
	h := map[string]string{"Content-Type": "application/json"}
	data := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	return []envelopeVector{
		{"empty", h, ""},
		{"no JSON", h, "hello"},
		{"null", h, "null"},
		{"a list", h, "[]"},
		{"neither a push nor a message", h, `{"a":1}`},
		{"a push without data", h, `{"message":{"attributes":{"eventID":"x"},"messageId":"1"},"subscription":"s"}`},
		{"a push whose data is not base64", h, `{"message":{"data":"%%%","messageId":"1"},"subscription":"s"}`},
		{"a push of no JSON", h, `{"message":{"data":"` + data("hello") + `","messageId":"1"},"subscription":"s"}`},
		{"a push of another system's JSON", h, `{"message":{"data":"` + data(`{"a":1}`) + `","messageId":"1"},"subscription":"s"}`},
		{"an eventID that is no text", h, `{"eventID":7,"serviceName":"s","events":{}}`},
		{"an empty eventID", h, `{"eventID":"","serviceName":"s","events":{}}`},
		{"no events", h, `{"eventID":"x","serviceName":"s"}`},
	}
}

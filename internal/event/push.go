package event

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
)

// PubSub has the fields of a Pub/Sub push other than the data. A field that was not sent is
// empty.
type PubSub struct {
	Subscription string            `json:"subscription,omitempty"`
	MessageID    string            `json:"messageId,omitempty"`
	PublishTime  string            `json:"publishTime,omitempty"` // as it was sent
	OrderingKey  string            `json:"orderingKey,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
}

// Push is a Pub/Sub push request in its wrapped form.
type Push struct {
	PubSub
	Data []byte
}

// pushBody has every member of a push's body, in the spellings that Pub/Sub sends.
type pushBody struct {
	Subscription    string       `json:"subscription" decode:"required"`
	Message         *pushMessage `json:"message" decode:"required"`
	DeliveryAttempt int          `json:"deliveryAttempt"` // with a dead-letter topic
}

type pushMessage struct {
	Data        string            `json:"data"`
	Attributes  map[string]string `json:"attributes"`
	MessageID   string            `json:"messageId" decode:"required"`
	SnakeID     string            `json:"message_id"`
	PublishTime string            `json:"publishTime"`
	SnakeTime   string            `json:"publish_time"`
	OrderingKey string            `json:"orderingKey"`
}

var messageID = []byte(`"messageId"`)

// ParsePush decodes the body of a wrapped Pub/Sub push. It returns false for any other
// body. A body with a member that no push has is not a push: another system may have sent
// it, and taking its ids for Pub/Sub's would make two events one.
func ParsePush(body []byte) (Push, bool) {
	if !bytes.Contains(body, messageID) { // most bodies are no push, and need no decoding
		return Push{}, false
	}
	var p pushBody
	f := decode.Faults{Strict: true}
	if f.Decode("$", body, &p); len(f.Details()) > 0 {
		return Push{}, false
	}
	m := p.Message
	if m.SnakeID != "" && m.SnakeID != m.MessageID || m.SnakeTime != "" && m.PublishTime != "" && m.SnakeTime != m.PublishTime {
		return Push{}, false
	}
	push, ok := p.push()
	return push, ok && (len(push.Data) > 0 || len(push.Attributes) > 0) // Pub/Sub takes no other message
}

// DecodePush decodes the body of a request that is known to be a push, because its path
// takes nothing else. It ignores members that it does not know, so that a member which
// Pub/Sub adds stops no message. It returns false for a body without a message.
func DecodePush(body []byte) (Push, bool) {
	var p pushBody
	if json.Unmarshal(body, &p) != nil || p.Message == nil || p.Message.MessageID == "" {
		return Push{}, false
	}
	return p.push()
}

func (p pushBody) push() (Push, bool) {
	m := p.Message
	data, err := base64.StdEncoding.DecodeString(m.Data)
	return Push{
		Data: data,
		PubSub: PubSub{
			MessageID: m.MessageID, Subscription: p.Subscription, Attributes: m.Attributes,
			PublishTime: cmp.Or(m.PublishTime, m.SnakeTime), OrderingKey: m.OrderingKey,
		},
	}, err == nil
}

// cloudEvent returns the attributes of the CloudEvent that the message is, or nil. Like a
// request over HTTP, a message may be one in structured mode, by its content type, or in
// binary mode, by attributes that begin with "ce-". The names of a message's attributes are
// free, so only ce-specversion claims that they are those of a CloudEvent. Their values
// are text, and not encoded.
func (p Push) cloudEvent() (map[string]json.RawMessage, error) {
	contentType := ""
	for name, v := range p.Attributes {
		if strings.EqualFold(name, "content-type") {
			contentType = v
		}
	}
	if MediaType(contentType) == TypeCloudEvent {
		return StructuredCloudEvent(p.Data)
	}
	if _, claims := p.Attributes["ce-specversion"]; !claims {
		return nil, nil
	}
	attrs := make(map[string]json.RawMessage)
	for name, v := range p.Attributes {
		if attr, ok := strings.CutPrefix(name, "ce-"); ok {
			attrs[attr] = quote(v)
		}
	}
	if contentType != "" {
		attrs["datacontenttype"] = quote(contentType)
	}
	return attrs, checkCloudEvent(attrs)
}

// key returns the name of the message. Pub/Sub's subscription and message id name it, but
// nothing proves that Pub/Sub sent the body. So the name has a digest of all that stays
// the same when Pub/Sub delivers a message again: two different bodies never share a name.
func (p Push) key() string {
	h := sha256.New()
	var n [8]byte
	write := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	write(p.Data)
	write([]byte(p.PublishTime))
	write([]byte(p.OrderingKey))
	for _, name := range slices.Sorted(maps.Keys(p.Attributes)) {
		write([]byte(name))
		write([]byte(p.Attributes[name]))
	}
	return pubsubKey(p.Subscription, p.MessageID) + "#" + hex.EncodeToString(h.Sum(nil)[:16])
}

func pubsubKey(subscription, messageID string) string {
	return "pubsub:" + strconv.Itoa(len(subscription)) + ":" + subscription + messageID
}

package event

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Carried is an event as a request carries it: plain, as a CloudEvent, or one of them in a
// Pub/Sub push.
type Carried struct {
	// CloudEvent has the attributes of a CloudEvent; nil: it is none. They still contain
	// credentials (see Rules.CloudEvent).
	CloudEvent map[string]json.RawMessage
	// Push is the Pub/Sub push that carries the event; nil: none does.
	Push *Push
	// Opened reports that Content is the data of Push. Otherwise Content is the body, and an
	// endpoint that unwraps pushes keeps the data of Push in its place.
	Opened  bool
	Content []byte
	// Key is the source's name for the event, by IdempotencyKey.
	Key string
}

// Decode returns what a request carries. header has canonical names.
//
// A push may be the body, or the data of a CloudEvent, as Eventarc's Pub/Sub trigger sends
// it. A push may also carry a CloudEvent, whose attributes are those of its message: Eventarc
// delivers so, where a header cannot have an attribute. Then the CloudEvent is
// the event, and its id names it by both ways.
//
// The error says why the request is a malformed CloudEvent. Then the result is the plain
// event that a deployment may prefer to an error.
func Decode(header map[string][]string, body []byte) (Carried, error) {
	cloudEvent, err := CloudEvent(header, body)
	var c Carried
	if err != nil {
		c, _ = carried(nil, nil, body)
	} else {
		c, err = carried(cloudEvent, header, body)
	}
	c.Key = IdempotencyKey(header, c.CloudEvent, c.Push)
	return c, err
}

// DecodeItem is Decode for an item of a batch, whose headers are the batch's. structured
// reports that the batch is one of CloudEvents.
func DecodeItem(structured bool, item []byte) (c Carried, err error) {
	var header map[string][]string
	if structured {
		header = map[string][]string{"Content-Type": {TypeCloudEvent}}
	}
	return Decode(header, item)
}

func carried(cloudEvent map[string]json.RawMessage, header map[string][]string, body []byte) (Carried, error) {
	c := Carried{CloudEvent: cloudEvent, Content: body}
	push, ok := PushIn(header, body)
	if !ok {
		return c, nil
	}
	c.Push = &push
	if cloudEvent != nil {
		return c, nil
	}
	var err error
	if c.CloudEvent, err = push.cloudEvent(); err != nil {
		c.CloudEvent = nil
		return c, err
	}
	if c.CloudEvent != nil {
		c.Content, c.Opened = push.Data, true
	}
	return c, nil
}

// PushIn returns the Pub/Sub push that a request carries, as its body or as the data of a
// CloudEvent in JSON format.
func PushIn(header map[string][]string, body []byte) (Push, bool) {
	if !bytes.Contains(body, messageID) && !bytes.Contains(body, dataBase64) {
		return Push{}, false // most bodies are no push, and need no decoding
	}
	if strings.HasPrefix(MediaType(get(header, "Content-Type")), cloudEventTypes) {
		if push, ok := ParsePush(dataOf(body)); ok {
			return push, true
		}
	}
	return ParsePush(body)
}

var dataBase64 = []byte(`"data_base64"`)

// Decodings returns how often Decode decodes parts of a body as JSON. Decoding takes more
// memory than the bytes of the body, and the caller has to reserve it first.
func Decodings(header map[string][]string, body []byte) (n int) {
	if strings.HasPrefix(MediaType(get(header, "Content-Type")), cloudEventTypes) {
		n++
	}
	if bytes.Contains(body, messageID) || bytes.Contains(body, dataBase64) {
		n++
	}
	return n
}

package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/decode"
)

func notUTF8(s string) bool { return !utf8.ValidString(s) }

// Text returns s as valid UTF-8. It reads any other string as ISO-8859-1, the older
// encoding of HTTP headers, in which every byte is a character, so no byte is lost.
func Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// MediaType returns the lower-case media type of a Content-Type value.
func MediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// CloudEvents media types.
const (
	TypeCloudEvent      = "application/cloudevents+json"
	TypeCloudEventBatch = "application/cloudevents-batch+json"
)

// CloudEvent returns the CloudEvents attributes of a request in binary or structured
// mode, or nil if the request is not a CloudEvent. header has canonical names. The
// attributes still contain credentials, because IdempotencyKey needs them whole;
// Rules.CloudEvent drops the credentials before anything is stored. A request that claims
// to be a CloudEvent but is malformed is an error.
func CloudEvent(header map[string][]string, body []byte) (map[string]json.RawMessage, error) {
	if MediaType(get(header, "Content-Type")) == TypeCloudEvent {
		return StructuredCloudEvent(body)
	}
	if get(header, "Ce-Specversion") == "" {
		return nil, nil
	}
	attrs := make(map[string]json.RawMessage)
	for name, values := range header {
		attr, ok := strings.CutPrefix(name, "Ce-")
		if !ok || len(values) == 0 {
			continue
		}
		// The HTTP binding percent-encodes what a header cannot carry.
		v, err := url.PathUnescape(values[0])
		if err != nil {
			v = values[0]
		}
		attrs[strings.ToLower(attr)] = quote(Text(v))
	}
	if ct := get(header, "Content-Type"); ct != "" {
		attrs["datacontenttype"] = quote(Text(ct))
	}
	return attrs, checkCloudEvent(attrs)
}

// Parsed reports whether the body of such a request will be decoded. Decoding takes more
// memory than the bytes of the body, and the caller has to reserve it first.
func Parsed(header map[string][]string, body []byte) bool {
	return MediaType(get(header, "Content-Type")) == TypeCloudEvent || bytes.Contains(body, messageID)
}

// StructuredCloudEvent returns the attributes of a CloudEvent in JSON format: all of its
// members except the data.
func StructuredCloudEvent(body []byte) (map[string]json.RawMessage, error) {
	var attrs map[string]json.RawMessage
	if err := json.Unmarshal(body, &attrs); err != nil || attrs == nil {
		return nil, errors.New("the CloudEvent is not a JSON object")
	}
	delete(attrs, "data")
	delete(attrs, "data_base64")
	for name, value := range attrs { // encoding/json accepts other bytes, but the message must be valid UTF-8
		if !utf8.Valid(value) {
			attrs[name] = json.RawMessage(Text(string(value)))
		}
	}
	return attrs, checkCloudEvent(attrs)
}

// required lists the attributes that every CloudEvent has.
var required = [...]string{"specversion", "id", "source", "type"}

func checkCloudEvent(attrs map[string]json.RawMessage) error {
	for _, name := range required {
		if v, ok := attrs[name]; !ok || unquote(v) == "" {
			return fmt.Errorf("CloudEvent attribute %q must be a non-empty string", name)
		}
	}
	if v := unquote(attrs["specversion"]); v != "1.0" && v != "0.3" {
		return errors.New(`CloudEvent attribute "specversion" must be "1.0" or "0.3"`)
	}
	return nil
}

// SplitBatch returns the items of a JSON array, each byte for byte and in memory of its
// own. It stops at the first item beyond most, so that a body of millions of items costs
// only as much as a body of most items.
func SplitBatch(body []byte, most int) ([]json.RawMessage, error) {
	malformed := func(err error) error {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return fmt.Errorf("the batch is not JSON: offset %d: %s", syntax.Offset, syntax.Error())
		}
		return fmt.Errorf("the batch is not JSON: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	switch start, err := d.Token(); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the batch is not JSON: it is empty")
	case err != nil:
		return nil, malformed(err)
	case start != json.Delim('['):
		return nil, errors.New("the batch is not a JSON array")
	}
	items := []json.RawMessage{}
	for d.More() {
		if len(items) == most {
			return nil, fmt.Errorf("the batch has more than %d items: send at most %d at once", most, most)
		}
		var item json.RawMessage
		if err := d.Decode(&item); err != nil {
			return nil, malformed(err)
		}
		items = append(items, item)
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed(err)
	}
	if err := decode.End(d); err != nil {
		return nil, malformed(err)
	}
	return items, nil
}

func get(h map[string][]string, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string always encodes
	return b
}

func unquote(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // not a string: ""
	return s
}

package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/decode"
)

// CloudEvents media types.
const (
	TypeCloudEvent      = "application/cloudevents+json"
	TypeCloudEventBatch = "application/cloudevents-batch+json"

	// cloudEventTypes begins the media types of all formats of CloudEvents.
	cloudEventTypes = "application/cloudevents"
)

// ErrBatch is the error for a batch of CloudEvents where a single event is expected.
var ErrBatch = errors.New("a batch of CloudEvents is not one event")

// CloudEvent returns the CloudEvents attributes of a request, or nil if the request does
// not claim to be a CloudEvent. It claims that by its Content-Type (structured mode), or by
// any header that begins with "ce-" (binary mode). header has canonical names.
//
// A request that claims to be a CloudEvent and is none is an error: the source relies on
// its id, so it must not be taken under no name, or under the name of another event.
//
// The attributes still contain credentials, because IdempotencyKey needs them whole;
// Rules.CloudEvent drops the credentials before anything is stored.
func CloudEvent(header map[string][]string, body []byte) (map[string]json.RawMessage, error) {
	media := MediaType(get(header, "Content-Type"))
	if media == TypeCloudEvent {
		return StructuredCloudEvent(body)
	}
	if strings.HasPrefix(media, cloudEventTypes+"-batch") {
		return nil, ErrBatch
	}
	attrs, err := binaryCloudEvent(header)
	if attrs == nil && err == nil && strings.HasPrefix(media, cloudEventTypes) {
		return nil, fmt.Errorf("the CloudEvent's format %s is not known: send %s", media, TypeCloudEvent)
	}
	return attrs, err
}

// binaryCloudEvent returns the attributes of a CloudEvent in binary mode, or nil if no
// header begins with "ce-".
func binaryCloudEvent(header map[string][]string) (map[string]json.RawMessage, error) {
	attrs := make(map[string]json.RawMessage)
	for name, values := range header {
		attr, ok := strings.CutPrefix(name, "Ce-")
		if !ok || len(values) == 0 {
			continue
		}
		attr = strings.ToLower(attr)
		if len(values) > 1 {
			return nil, fmt.Errorf("CloudEvent attribute %q is given %d times", attr, len(values))
		}
		v, err := headerValue(values[0])
		if err != nil {
			return nil, fmt.Errorf("CloudEvent attribute %q %w", attr, err)
		}
		attrs[attr] = quote(v)
	}
	if len(attrs) == 0 {
		return nil, nil
	}
	if ct := get(header, "Content-Type"); ct != "" {
		attrs["datacontenttype"] = quote(Text(ct))
	}
	return attrs, checkCloudEvent(attrs)
}

var (
	errNotUTF8 = errors.New("is not UTF-8")
	errQuoting = errors.New("has a quoted string that does not end")
	errEscape  = errors.New(`has a "%" without two hex digits`)
)

// headerValue decodes the value of a header as section 3.1.3.2 of the CloudEvents HTTP
// binding says: a quoted string is unquoted, then one round of percent-decoding follows.
// What is not UTF-8 then, or is no escape, is an error. If such values were repaired, two
// different ids could become one, and the second event would be lost.
func headerValue(v string) (string, error) {
	if strings.HasPrefix(v, `"`) {
		var ok bool
		if v, ok = unquoteHeader(v); !ok {
			return "", errQuoting
		}
	}
	plain := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] != '%' {
			plain = append(plain, v[i])
			continue
		}
		if i+2 >= len(v) {
			return "", errEscape
		}
		b, err := strconv.ParseUint(v[i+1:i+3], 16, 8)
		if err != nil {
			return "", errEscape
		}
		plain, i = append(plain, byte(b)), i+2
	}
	// Raw bytes must be UTF-8 by themselves, or a raw and an encoded half would join.
	if !utf8.ValidString(v) || !utf8.Valid(plain) {
		return "", errNotUTF8
	}
	return string(plain), nil
}

// unquoteHeader returns what a quoted-string of HTTP stands for. It returns false if the
// string does not end where the value ends.
func unquoteHeader(v string) (string, bool) {
	plain := make([]byte, 0, len(v))
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '"':
			return string(plain), i == len(v)-1
		case '\\':
			if i++; i == len(v) {
				return "", false
			}
		}
		plain = append(plain, v[i])
	}
	return "", false
}

// StructuredCloudEvent returns the attributes of a CloudEvent in JSON format: all of its
// members except the data, and those that are null, which means the same as absent.
func StructuredCloudEvent(body []byte) (map[string]json.RawMessage, error) {
	attrs, err := members(body)
	if err != nil {
		return nil, err
	}
	_, plain := attrs["data"]
	encoded, binary := attrs["data_base64"]
	if plain && binary {
		return nil, errors.New("the CloudEvent has both data and data_base64")
	}
	if s, ok := text(encoded); binary && (!ok || !isBase64(s)) {
		return nil, errors.New("the CloudEvent's data_base64 is not base64")
	}
	delete(attrs, "data")
	delete(attrs, "data_base64")
	for name, raw := range attrs {
		if string(raw) == "null" {
			delete(attrs, name)
		}
	}
	return attrs, checkCloudEvent(attrs)
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}

// dataOf returns the data of a CloudEvent in JSON format, as the bytes that the binary mode
// would have as its body.
func dataOf(body []byte) []byte {
	all, err := members(body)
	if err != nil {
		return nil
	}
	if encoded, ok := all["data_base64"]; ok {
		data, _ := base64.StdEncoding.DecodeString(unquote(encoded))
		return data
	}
	return all["data"]
}

// members returns the members of a JSON object. A name that comes twice is an error: the
// readers of a text do not agree on which one counts.
func members(body []byte) (map[string]json.RawMessage, error) {
	notObject := errors.New("the CloudEvent is not a JSON object")
	if !utf8.Valid(body) {
		return nil, errors.New("the CloudEvent is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, notObject
	}
	all := make(map[string]json.RawMessage)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, notObject
		}
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("the CloudEvent has %s twice", decode.Short(strconv.Quote(name)))
		}
		all[name] = value
	}
	if _, err := d.Token(); err != nil || decode.End(d) != nil {
		return nil, notObject
	}
	return all, nil
}

// required lists the attributes that every CloudEvent has.
var required = [...]string{"specversion", "id", "source", "type"}

// optional lists the other attributes of the specification. They are strings, and not
// empty. schemaurl and datacontentencoding are of version 0.3.
var optional = [...]string{"datacontenttype", "dataschema", "subject", "time", "schemaurl", "datacontentencoding"}

var (
	attributeName = regexp.MustCompile(`^[a-z0-9]+$`)
	wholeNumber   = regexp.MustCompile(`^-?[0-9]+$`)
	mediaType     = regexp.MustCompile("^[!#$&^_.+0-9A-Za-z-]+/[!#$&^_.+0-9A-Za-z-]+$")
)

// checkCloudEvent returns the first reason why the attributes are not those of a CloudEvent.
func checkCloudEvent(attrs map[string]json.RawMessage) error {
	for _, name := range required {
		if s, ok := text(attrs[name]); !ok || s == "" {
			return fmt.Errorf("CloudEvent attribute %q must be a non-empty string", name)
		}
	}
	version := unquote(attrs["specversion"])
	if version != "1.0" && version != "0.3" {
		return errors.New(`CloudEvent attribute "specversion" must be "1.0" or "0.3"`)
	}
	for name, raw := range attrs {
		s, is := text(raw)
		switch {
		case !attributeName.MatchString(name) || name == "data":
			return fmt.Errorf("CloudEvent attribute %s has a name with other characters than a-z and 0-9", decode.Short(strconv.Quote(name)))
		case slices.Contains(optional[:], name) && (!is || s == ""):
			return fmt.Errorf("CloudEvent attribute %q must be a non-empty string, or absent", name)
		case name == "time" && !isTime(s):
			return errors.New(`CloudEvent attribute "time" must be a time of RFC 3339, such as 2026-05-01T12:00:00Z`)
		case name == "datacontenttype" && !mediaType.MatchString(MediaType(s)):
			return errors.New(`CloudEvent attribute "datacontenttype" must be a media type, such as application/json`)
		case version == "1.0" && !is && !wholeNumber.Match(raw) && string(raw) != "true" && string(raw) != "false":
			return fmt.Errorf("CloudEvent attribute %q must be a string, a whole number, true or false", name)
		}
	}
	return nil
}

// isTime reports whether s is a time of RFC 3339. A leap second is one, which package time
// does not know.
func isTime(s string) bool {
	s = strings.ToUpper(s)
	if len(s) > 19 && s[16:19] == ":60" {
		s = s[:16] + ":59" + s[19:]
	}
	return !strings.Contains(s, ",") && new(time.Time).UnmarshalText([]byte(s)) == nil
}

// text returns the string that a JSON value is. It returns false for another value, and for
// a string with half a surrogate pair, which stands for no character: encoding/json makes
// one and the same character of all of them.
func text(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	s := unquote(raw)
	return s, !strings.ContainsRune(s, utf8.RuneError) || !decode.LoneSurrogate(raw)
}

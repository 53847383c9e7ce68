package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

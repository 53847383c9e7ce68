package mapping

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/record"
)

// JoinKey returns the text of a key. A single part is its own text. Several parts are
// joined by "."; a "." or "%" within a part is percent-encoded. Otherwise two different
// keys could have the same text, and two rows would become one record.
func JoinKey(parts []any) (string, error) {
	texts := make([]string, len(parts))
	for i, p := range parts {
		t, err := keyText(p)
		if err != nil {
			return "", err
		}
		texts[i] = t
	}
	return joinTexts(texts)
}

func joinTexts(parts []string) (string, error) {
	key := parts[0]
	if len(parts) > 1 {
		var b strings.Builder
		for i, p := range parts {
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(escapePart.Replace(p))
		}
		key = b.String()
	}
	if len(key) > maxKey {
		return "", fmt.Errorf("is longer than %d bytes", maxKey)
	}
	return key, nil
}

var escapePart = strings.NewReplacer("%", "%25", ".", "%2E")

var errEmptyKey = errors.New("is empty")

func keyText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", errEmptyKey
	case string:
		if v == "" {
			return "", errEmptyKey
		}
		return v, nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	case map[string]any, []any:
		return "", errors.New("is neither text nor a number")
	default:
		b, err := record.Canonical(v)
		return string(b), err
	}
}

// Unkey splits the text of a key into its parts. It reverses JoinKey.
func (m *Mapper) Unkey(key string) []any {
	if len(m.spec.Key) == 1 {
		return []any{key}
	}
	texts := strings.Split(key, ".")
	parts := make([]any, len(texts))
	for i, t := range texts {
		p, err := url.PathUnescape(t)
		if err != nil {
			p = t
		}
		parts[i] = p
	}
	return parts
}

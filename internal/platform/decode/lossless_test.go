package decode_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/decode"
)

// Texts that encoding/json would alter are refused, or stay apart.
func TestTextThatIsNoText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		`{"a": "\ud83d"}`, `{"\ud83d": 1}`, `["\ude00\ud83d"]`, `["\ud83dx\ude00"]`, `"\\\ud83d"`, `"\ud83d\n\ude00"`, "\"Jos\xe9\"", "{\"\xff\": 1, \"\xfe\": 2}",
	} {
		_, err := decode.One([]byte(s))
		require.Error(t, err, s)
		v, err := decode.Lossless([]byte(s))
		require.NoError(t, err, s)
		require.False(t, valid(v), "%s: %q", s, v)
	}
	v, err := decode.Lossless([]byte("{\"\xff\": \"\xe9\\ud83d\\u00e9\\\"\", \"\xfe\": [1.50, true, false, null, {}, \"\\ud83d\\ude00\"], \"\\ud83d\": \"\\/\\b\\\\u\"}"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"\xff": "\xe9\xed\xa0\xbdé\"", "\xfe": []any{json.Number("1.50"), true, false, nil, map[string]any{}, "😀"}, "\xed\xa0\xbd": "/\b\\u",
	}, v)
	for _, s := range []string{`{"a": "\ud83d`, "\"\xff", "[\"\xff\"] 1", `"\ud8`, `"\`} {
		_, err := decode.Lossless([]byte(s))
		require.Error(t, err, s)
	}
}

func valid(v any) bool {
	switch v := v.(type) {
	case string:
		return utf8.ValidString(v)
	case []any:
		for _, x := range v {
			if !valid(x) {
				return false
			}
		}
	case map[string]any:
		for k, x := range v {
			if !valid(k) || !valid(x) {
				return false
			}
		}
	}
	return true
}

// What encoding/json reads without altering it is read in the same way.
func FuzzLossless(f *testing.F) {
	for _, s := range []string{`{"a": ["\ud83d\ude00", 1e5, "\\ud83d"], "b": {"": null}}`, `"\u00e9\n"`, `[[],{}]`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, err := decode.One(data)
		got, lossless := decode.Lossless(data)
		if err == nil {
			require.NoError(t, lossless)
			require.Equal(t, want, got)
		} else if lossless == nil {
			require.False(t, valid(got))
		}
	})
}

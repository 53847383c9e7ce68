package credential_test

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/platform/credential"
)

// quoted returns a text as it is inside of a JSON string.
func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

// latin1 returns a text whose bytes were taken for characters.
func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// lowerHex returns a text that is escaped for a URL, with digits in lower case.
func lowerHex(s string) string { return strings.ToLower(url.QueryEscape(s)) }

// However another system spells a secret, it is hidden, and the text around it stays.
func TestHide(t *testing.T) {
	t.Parallel()
	spell := map[string]func(string) string{
		"plain": func(s string) string { return s }, "query": url.QueryEscape, "path": url.PathEscape, "lower hex": lowerHex,
		"json": quoted, "html": html.EscapeString, "latin-1": latin1, "upper": strings.ToUpper, "lower": strings.ToLower,
		"query twice": func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
		"json twice":  func(s string) string { return quoted(quoted(s)) },
		"html twice":  func(s string) string { return html.EscapeString(html.EscapeString(s)) },
		"php":         func(s string) string { return strings.ReplaceAll(quoted(s), "/", `\/`) },
	}
	secrets := []string{"sk-Ab+/ \"z\"&é=<1>", "abcd", `a\b\\c'd`, "50%25 off", "p w/d&1", "ключ-4711", "%2B%2B++"}
	for name, as := range spell {
		for _, s := range secrets {
			text := "before " + as(s) + " after"
			require.Equal(t, "before REDACTED after", credential.Hide(text, []string{"", "x", s}), "%s of %s: %s", name, s, text)
		}
	}
	require.Equal(t, "REDACTED REDACTED-1", credential.Hide("abcdef abcd-1", []string{"abcd", "abcdef"}), "the longer one first")
	for _, other := range []string{"", "abc", "ab cd", "%41%42", `\u0061bc`, "&#97;&amp;", "%", "&", `\`, "%2", "&#;", "&#x;", `\u00`} {
		require.Equal(t, other, credential.Hide(other, secrets))
	}
}

func TestHideAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, secret := rapid.String().Draw(t, "text"), rapid.String().Draw(t, "secret")
		shown := credential.Hide(text+secret+text, []string{secret})
		if len(secret) >= 4 && !strings.Contains(credential.Redacted, secret) && !strings.Contains(text, secret) {
			require.Contains(t, shown, credential.Redacted)
		}
		require.LessOrEqual(t, len(credential.Hide(text, nil)), len(text))
	})
}

package printable_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/printable"
)

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                  "",
		"Grüße, 世界 👍":       "Grüße, 世界 👍",
		"a\x1b[2Jb\x7f":     `a\x1b[2Jb\x7f`,
		"c1: \u009b31m":     `c1: \u009b31m`,
		"bidi: \u202egpj":   `bidi: \u202egpj`,
		"isolate: \u2066x":  `isolate: \u2066x`,
		"lines: \u2028\r\n": `lines: \u2028\r\n`,
		"no UTF-8: \xff":    `no UTF-8: \xff`,
	} {
		require.Equal(t, want, printable.Text(in, ""))
	}
	require.Equal(t, "two\nlines\\t", printable.Text("two\nlines\t", "\n"))
}

// Whatever a document has in its strings and between its tokens, what is printed is the same
// value, and nothing in it is obeyed.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{"", "ü", "\u009b31m", "\u202e", "\U000e0001", "\x7f", "a\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := json.MarshalIndent(map[string]string{text: text}, "", "\t")
		require.NoError(t, err)
		got := printable.JSON(string(doc))
		for _, r := range got {
			require.True(t, strconv.IsPrint(r) || r == '\n', "%q", r)
		}
		require.JSONEq(t, string(doc), got)
	})
}

package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

func TestPath(t *testing.T) {
	t.Parallel()
	const doc = `{"a":{"b":[{"c":1},{"c":9007199254740993}],"x.y":"dots"},"@odata.nextLink":"n","n":null,"":{"":"empty"}}`
	v, err := decode.One([]byte(doc))
	require.NoError(t, err)
	for path, want := range map[string]any{
		"a.b.0.c": json.Number("1"), "a.b.1.c": json.Number("9007199254740993"), "a.b.-1.c": json.Number("9007199254740993"),
		"a.b.-2.c": json.Number("1"), "@odata.nextLink": "n", "a.x.y": "dots", "n": nil, ".": "empty",
	} {
		got, ok := rest.Path(v, path)
		require.True(t, ok, path)
		require.Equal(t, want, got, path)
	}
	whole, ok := rest.Path(v, "")
	require.True(t, ok)
	require.Equal(t, v, whole)
	for _, path := range []string{"b", "a.c", "a.b.2", "a.b.-3", "a.b.x", "a.b.0.c.d", "n.x", "a.", "a..b"} {
		_, ok := rest.Path(v, path)
		require.False(t, ok, path)
	}
}

// A path into any answer finds a part of that answer or nothing, and never panics.
func FuzzPath(f *testing.F) {
	f.Add(`{"a":{"b":[{"c":1}]}}`, "a.b.-1.c")
	f.Add(`[[[]]]`, "0.0.0")
	f.Add(`{"a.b":1}`, "a.b")
	f.Fuzz(func(t *testing.T, doc, path string) {
		v, err := decode.One([]byte(doc))
		if err != nil {
			return
		}
		part, ok := rest.Path(v, path)
		if !ok {
			require.Nil(t, part)
			return
		}
		whole, err := json.Marshal(v)
		require.NoError(t, err)
		b, err := json.Marshal(part)
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), len(whole))
	})
}

func TestClean(t *testing.T) {
	t.Parallel()
	c := rest.Client{Secrets: []string{"p w/d&1", ""}}
	for in, want := range map[string]string{
		"the key p w/d&1 is old":           "the key REDACTED is old",
		"GET /x?key=p+w%2Fd%261":           "GET /x?key=REDACTED",
		"GET /p%20w%2Fd&1/x":               "GET /REDACTED/x",
		"two\nlines\x00and \x1b[31mcolour": "two lines and [31mcolour",
		"right\u202eto left":               "right to left",
		"not \xff UTF-8":                   "not \ufffd UTF-8",
	} {
		require.Equal(t, want, c.Clean(in))
	}
	require.LessOrEqual(t, len(c.Clean(strings.Repeat("ü", 5000))), 310)
}

func TestAnAnswerIsBounded(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`["` + strings.Repeat("x", 2<<20) + `"]`))
	}))
	t.Cleanup(s.Close)
	c := rest.Client{HTTP: s.Client(), Limit: 1 << 20}
	_, err := c.Call(t.Context(), "GET", s.URL, nil, nil)
	require.Equal(t, fault.TooLarge, fault.CodeOf(err))
	require.ErrorContains(t, err, "over 1 MiB")
	c.Limit = 0
	_, err = c.Call(t.Context(), "GET", s.URL, nil, nil)
	require.NoError(t, err)
}

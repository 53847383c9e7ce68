package expression_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/expression"
)

// A body that is an object of JSON is read as one, whatever its type says: curl -d calls
// everything a form.
func TestBodies(t *testing.T) {
	t.Parallel()
	const form, object = "application/x-www-form-urlencoded", "application/json"
	for _, c := range []struct{ media, body, want string }{
		{object, `{"a":{"b":"c"}}`, "c"},
		{form, `{"a":{"b":"c"}}`, "c"},
		{form, " {\"a\":{\"b\":\"c\"}}\n", "c"},
		{"", `{"a":{"b":"c"}}`, "c"},
	} {
		require.Equal(t, c.want, text(t, "body.a.b", c.media, c.body), "%q", c.body)
	}
	require.Equal(t, "c d", text(t, "body.a", form+"; charset=utf-8", "a=c+d"))
	require.Equal(t, "c", text(t, `body["{"]`, form, "%7B=c"), "a form may have a name with a brace")
	require.Equal(t, "c", text(t, `body["{x"]`, form, "{x=c"), "and it is no object if it is not JSON")
}

func text(t *testing.T, expr, media, body string) string {
	t.Helper()
	e, err := expression.Compile(expr)
	require.NoError(t, err)
	vars, err := expression.Of(http.Header{"Content-Type": {media}}, []byte(body))
	require.NoError(t, err)
	s, err := e.Text(vars)
	require.NoError(t, err)
	return s
}

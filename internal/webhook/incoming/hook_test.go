package incoming_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/incoming"
)

func TestHookExpressions(t *testing.T) {
	t.Parallel()
	entity, err := incoming.Compile(`body.repository.owner + "/" + headers["x-kind"]`)
	require.NoError(t, err)
	id, err := incoming.Compile(`body.number`)
	require.NoError(t, err)
	h := &incoming.Hook{Name: "h", Verify: incoming.None, Entity: entity, ID: id}
	e, i, err := h.Named(http.Header{"X-Kind": {"issues"}}, []byte(`{"repository":{"owner":"acme"},"number":7}`))
	require.NoError(t, err)
	require.Equal(t, "acme/issues 7", e+" "+i)
	for _, bad := range []string{`{}`, `[]`, `nonsense`, `{"repository":{"owner":"acme"},"number":[]}`} {
		_, _, err = h.Named(http.Header{"X-Kind": {"issues"}}, []byte(bad))
		require.Equal(t, fault.Invalid, fault.CodeOf(err), bad)
	}
	_, err = incoming.Compile(`body.`)
	require.Error(t, err)
}

// Ids are often numbers. No digit of them is lost, within an expression either.
func TestNumbersOfHooks(t *testing.T) {
	t.Parallel()
	plain, text, item := `body.n`, `"n" + string(body.n)`, `body.list[0].n`
	for _, c := range []struct{ expression, body, want string }{
		{plain, `{"n":12000000}`, "12000000"},
		{text, `{"n":12000000}`, "n12000000"},
		{item, `{"list":[{"n":12000000}]}`, "12000000"},
		{plain, `{"n":-5}`, "-5"},
		{plain, `{"n":9007199254740993}`, "9007199254740993"},
		{plain, `{"n":18446744073709551615}`, "18446744073709551615"},
		{plain, `{"n":123456789012345678901234567890}`, "123456789012345678901234567890"},
		{plain, `{"n":1.5}`, "1.5"},
		{plain, `{"n":1.2e7}`, "12000000"},
		{plain, `{"n":0.0000001}`, "0.0000001"},
		{`body.n == 7.0 && body.n == 7 && body.n > 6.5 ? "seven" : "other"`, `{"n":7}`, "seven"},
	} {
		e, err := incoming.Compile(c.expression)
		require.NoError(t, err)
		h := &incoming.Hook{Name: "h", Verify: incoming.None, Entity: e, ID: e}
		_, id, err := h.Named(nil, []byte(c.body))
		require.NoError(t, err, "%s of %s", c.expression, c.body)
		require.Equal(t, c.want, id, "%s of %s", c.expression, c.body)
	}
	e, err := incoming.Compile(plain)
	require.NoError(t, err)
	h := &incoming.Hook{Name: "h", Verify: incoming.None, Entity: e, ID: e}
	for _, bad := range []string{`{"n":1e999}`, `{"n":1}}`, `{"n":1} {}`, ``} {
		_, _, err = h.Named(nil, []byte(bad))
		require.ErrorContains(t, err, "not JSON", bad)
	}
}

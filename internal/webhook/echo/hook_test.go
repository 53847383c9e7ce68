package echo_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/echo"
)

func TestCheckTasks(t *testing.T) {
	t.Parallel()
	for _, good := range []string{`{"data":{}}`, `{"data":` + tasks + `}`, `{"data":{"a b":{"name":"","priority":-1.5,"more":1}}}`} {
		_, err := echo.CheckTasks([]byte(good), "data")
		require.NoError(t, err, good)
	}
	for bad, says := range map[string]string{
		``: "JSON object", `[]`: "JSON object", `{}`: "data is required", `{"data":null}`: "data is required", `{"data":[]}`: "malformed", `{"data":"x"}`: "malformed",
		`{"data":{"12":{"name":"x"}}}`: "data.12 is malformed: name and priority are required", `{"data":{"12":null}}`: "data.12 is malformed: name and priority are required",
		`{"data":{"12":{"name":null,"priority":1}}}`:                             "data.12 is malformed: name and priority are required",
		`{"data":{"11":{"name":"x","priority":1},"12":{"name":3,"priority":1}}}`: "data.12.name is malformed: it must be text",
		`{"data":{"12":{"name":{},"priority":1},"13":3}}`:                        "data.12.name is malformed: it must be text",
		`{"data":{"12":{"name":"x","priority":"1"}}}`:                            "data.12.priority is malformed: it must be a number",
		`{"data":{"12":{"name":"x","priority":[1]}}}`:                            "data.12.priority is malformed: it must be a number",
		`{"data":{"12":3}}`: `data.12 is malformed: it must be {"name": text, "priority": number}`, `{"data":{"12":[]}}`: "data.12 is malformed",
	} {
		_, err := echo.CheckTasks([]byte(bad), "data")
		require.ErrorContains(t, err, says, bad)
	}
}

func TestHookExpressions(t *testing.T) {
	t.Parallel()
	entity, err := echo.Compile(`body.repository.owner + "/" + headers["x-kind"]`)
	require.NoError(t, err)
	id, err := echo.Compile(`body.number`)
	require.NoError(t, err)
	h := &echo.Hook{Name: "h", Verify: echo.None, Entity: entity, ID: id}
	e, i, err := h.Named(http.Header{"X-Kind": {"issues"}}, []byte(`{"repository":{"owner":"acme"},"number":7}`))
	require.NoError(t, err)
	require.Equal(t, "acme/issues 7", e+" "+i)
	for _, bad := range []string{`{}`, `[]`, `nonsense`, `{"repository":{"owner":"acme"},"number":[]}`} {
		_, _, err = h.Named(http.Header{"X-Kind": {"issues"}}, []byte(bad))
		require.Equal(t, fault.Invalid, fault.CodeOf(err), bad)
	}
	_, err = echo.Compile(`body.`)
	require.Error(t, err)
}

// Ids are numbers often: all of their digits count, within an expression too.
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
		e, err := echo.Compile(c.expression)
		require.NoError(t, err)
		h := &echo.Hook{Name: "h", Verify: echo.None, Entity: e, ID: e}
		_, id, err := h.Named(nil, []byte(c.body))
		require.NoError(t, err, "%s of %s", c.expression, c.body)
		require.Equal(t, c.want, id, "%s of %s", c.expression, c.body)
	}
	e, err := echo.Compile(plain)
	require.NoError(t, err)
	h := &echo.Hook{Name: "h", Verify: echo.None, Entity: e, ID: e}
	for _, bad := range []string{`{"n":1e999}`, `{"n":1}}`, `{"n":1} {}`, ``} {
		_, _, err = h.Named(nil, []byte(bad))
		require.ErrorContains(t, err, "not JSON", bad)
	}
}

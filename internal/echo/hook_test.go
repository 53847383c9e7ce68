package echo_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/echo"
	"github.com/headgate/headgate/internal/fault"
)

func TestCheckTasks(t *testing.T) {
	t.Parallel()
	for _, good := range []string{`{"data":{}}`, `{"data":` + tasks + `}`, `{"data":{"a b":{"name":"","priority":-1.5,"more":1}}}`} {
		_, err := echo.CheckTasks([]byte(good), "data")
		require.NoError(t, err, good)
	}
	for bad, says := range map[string]string{
		``: "JSON object", `[]`: "JSON object", `{}`: "data is required", `{"data":null}`: "data is required", `{"data":[]}`: "malformed", `{"data":"x"}`: "malformed",
		`{"data":{"12":{"name":"x"}}}`: "data.12", `{"data":{"12":{"name":3,"priority":1}}}`: "malformed", `{"data":{"12":{"name":"x","priority":"1"}}}`: "malformed",
		`{"data":{"12":null}}`: "data.12", `{"data":{"12":3}}`: "malformed",
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

package functions

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	const path = "/orgs/default/items/a%2Fb%20%C3%A9"
	created := g.do("PUT", path, `{"name":"One","n":12345678901234567890.5}`)
	require.Equal(t, 201, created.status, "%s", created.raw)
	require.Equal(t, `"1"`, created.header.Get("ETag"))
	require.Equal(t, "a/b é", created.str("id"))
	require.Contains(t, string(created.raw), "12345678901234567890.5", "numbers keep every digit")
	require.Equal(t, 412, g.do("PUT", path, `{}`, "If-None-Match", "*").status)
	require.Equal(t, 412, g.do("PUT", path, `{}`, "If-Match", `"7"`).status)

	patched := g.do("PATCH", path, `{"name":null,"more":{"x":1}}`, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 200, patched.status, "the content type of curl -d is accepted")
	require.Equal(t, `"2"`, patched.header.Get("ETag"))
	require.NotContains(t, patched.json["data"], "name")
	require.Equal(t, 400, g.do("PATCH", path, `[]`, "Content-Type", "application/json-patch+json").status)
	require.Equal(t, 304, g.do("GET", path, "", "If-None-Match", `"2"`).status)
	require.Equal(t, 412, g.do("PATCH", path, `{"x":1}`, "If-Match", `"1"`).status)

	for i := range 3 {
		g.do("PUT", fmt.Sprintf("/orgs/default/items/%d", i), `{"i":1}`)
	}
	list := g.do("GET", "/orgs/default/items?limit=3", "")
	require.Len(t, list.list("records"), 3)
	require.Len(t, g.do("GET", "/orgs/default/items?after="+url.QueryEscape(list.str("next")), "").list("records"), 1)

	require.Equal(t, 412, g.do("DELETE", path, "", "If-Match", `"1"`, "If-Match", `W/"2"`).status)
	require.Equal(t, 204, g.do("DELETE", path, "", "If-Match", `"1"`, "If-Match", `"2"`).status, "lines are one list")
	require.Equal(t, 410, g.do("GET", path, "").status)
	require.Len(t, g.do("GET", "/orgs/default/items", "").list("records"), 3)
	require.Len(t, g.do("GET", "/orgs/default/items?deleted=true", "").list("records"), 4)
	require.Equal(t, 404, g.do("GET", "/orgs/other/items/0", "").status)
}

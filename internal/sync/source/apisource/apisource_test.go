package apisource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

const (
	byKey = `"create":{"url":"{type}/{id}","method":"PUT"},"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}`
	posts = `"create":{"url":"{type}","idempotencyHeader":"X-Attempt"},"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}`
	made  = `"create":{"url":"{type}","batch":5,"envelope":"rows","results":"created","id":"row.id","idempotencyHeader":"Idempotency-Key"},
		"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}`
	single = `"create":{"url":"{type}","id":"row.id","idempotencyHeader":"Idempotency-Key"},
		"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}`
	looked = `"read":{"url":"{type}/{id}","item":"row"},`
	since  = `"since":{"param":"since"},`
	paging = `"list":"{type}","items":"data.items","paging":{"size":7,"sizeParam":"size",`
	token  = `"style":"cursor","param":"after","next":"meta.next"`
)

func TestConformance(t *testing.T) {
	t.Parallel()
	positional := sourcetest.Harness{Positional: true}
	changed := sourcetest.Harness{Cursor: true, SoftDelete: true}
	chooses := sourcetest.Harness{Cursor: true, SoftDelete: true, ChoosesKeys: true}
	compares := sourcetest.Harness{Cursor: true, SoftDelete: true, Conditional: true}
	for name, c := range map[string]struct {
		options string
		h       sourcetest.Harness
	}{
		"page":            {paging + `"style":"page"},` + byKey, positional},
		"page from 0":     {paging + `"style":"page","start":0,"param":"page0","more":"meta.more","total":"meta.total"},` + posts, positional},
		"offset":          {paging + `"style":"offset"},` + byKey, positional},
		"cursor":          {paging + token + `},` + since + made, chooses},
		"cursor and more": {paging + token + `,"more":"meta.more"},` + since + posts, changed},
		"the last id":     {paging + `"style":"cursor","param":"after","next":"data.items.-1.id"},` + since + byKey, changed},
		"looked at first": {paging + token + `},` + looked + since + posts, compares},
		"link":            {paging + `"style":"link"},` + since + single, chooses},
		"url":             {paging + `"style":"url","next":"meta.url"},` + since + byKey, changed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.h.New = func(t testing.TB) sourcetest.Place { return newServer(t, "{"+c.options+"}") }
			c.h.Push, c.h.PartialUpdate, c.h.NUL = true, true, true
			sourcetest.Run(t, c.h)
		})
	}
}

// drain pulls to the end.
func drain(t *testing.T, s source.Source) (rows []source.Row, err error) {
	t.Helper()
	r, err := s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "row", Key: []string{"id"}}, PageSize: 100})
	require.NoError(t, err)
	defer r.Close()
	for range 1000 {
		page, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, page.Rows...)
	}
	require.Fail(t, "the pull does not end")
	return nil, nil
}

func filled(t *testing.T, options string, n int) *server {
	s := newServer(t, "{"+options+"}")
	for i := range n {
		s.rows[fmt.Sprintf("r%04d", i)] = map[string]any{"id": fmt.Sprintf("r%04d", i), "n": i}
	}
	return s
}

// A server that misbehaves causes an error for people. The pull neither runs without end
// nor skips rows silently.
func TestServersThatMisbehave(t *testing.T) {
	t.Parallel()
	const cursor = paging + token + `}`
	for name, c := range map[string]struct {
		options string
		answer  func(path string, list []any) any
		refuse  func(*http.Request) (int, string)
		code    fault.Code
		says    string
	}{
		"the same page again": {paging + `"style":"page"}`, func(string, []any) any {
			return map[string]any{"data": map[string]any{"items": []any{map[string]any{"id": "a"}}}}
		}, nil, fault.Unavailable, "same page twice"},
		"a circle": {cursor, func(_ string, list []any) any {
			return map[string]any{"data": map[string]any{"items": list}, "meta": map[string]any{"next": "r0001"}}
		}, nil, fault.Unavailable, "in a circle"},
		"half an answer": {cursor, func(string, []any) any { return `{"data":{"items":[{"id":"a"},{"i` }, nil, fault.Unavailable, "only a part"},
		"HTML":           {cursor, func(string, []any) any { return `<html>sorry</html>` }, nil, fault.Unavailable, "not JSON"},
		"an object":      {cursor, func(string, []any) any { return map[string]any{"data": "none"} }, nil, fault.Invalid, "no array at data.items"},
		"another host": {paging + `"style":"url","next":"next"}`, func(_ string, list []any) any {
			return map[string]any{"data": map[string]any{"items": list}, "next": "https://evil.example/x"}
		}, nil, fault.Invalid, "not followed"},
		"refused":              {cursor, nil, func(*http.Request) (int, string) { return 400, `{"errors":[{"message":"since is\nwrong"}]}` }, fault.Invalid, "answers 400 Bad Request: since is wrong"},
		"unauthorized":         {cursor, nil, func(*http.Request) (int, string) { return 401, `{"message":"token t0ps3cret is no good"}` }, fault.Invalid, "token REDACTED is no good"},
		"too many":             {cursor, nil, func(*http.Request) (int, string) { return 429, `` }, fault.Unavailable, "429"},
		"broken":               {cursor, nil, func(*http.Request) (int, string) { return 500, `<h1>stack trace</h1>` }, fault.Unavailable, "500 Internal Server Error"},
		"redirected elsewhere": {cursor, nil, func(*http.Request) (int, string) { return 304, `` }, fault.Invalid, "304"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := filled(t, c.options+`,"auth":{"type":"bearer","token":"env:T"}`, 30)
			s.answer, s.refuse = c.answer, c.refuse
			src, err := apisource.Kind().Open(t.Context(), s.definition(), env(t, map[string]string{"env:T": "t0ps3cret"}))
			require.NoError(t, err)
			_, err = drain(t, src)
			require.Error(t, err)
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "row", "it says of what")
			require.NotContains(t, err.Error(), "t0ps3cret")
		})
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"env:S": "s3cret", "env:U": "granted"}
	for name, c := range map[string]struct {
		options string
		check   func(t *testing.T, r *http.Request)
	}{
		"bearer": {`"auth":{"type":"bearer","token":"env:S"}`, func(t *testing.T, r *http.Request) { require.Equal(t, "Bearer s3cret", r.Header.Get("Authorization")) }},
		"basic": {`"auth":{"type":"basic","username":"me","password":"env:S"}`, func(t *testing.T, r *http.Request) {
			user, password, _ := r.BasicAuth()
			require.Equal(t, "me s3cret", user+" "+password)
		}},
		"both of basic": {`"auth":{"type":"basic","username":"env:U","password":"env:S"}`, func(t *testing.T, r *http.Request) {
			user, password, _ := r.BasicAuth()
			require.Equal(t, "granted s3cret", user+" "+password)
		}},
		"api key":      {`"auth":{"type":"apiKey","token":"env:S"}`, func(t *testing.T, r *http.Request) { require.Equal(t, "s3cret", r.Header.Get("X-Api-Key")) }},
		"named header": {`"auth":{"type":"apiKey","token":"env:S","header":"Key"}`, func(t *testing.T, r *http.Request) { require.Equal(t, "s3cret", r.Header.Get("Key")) }},
		"query":        {`"auth":{"type":"apiKey","token":"env:S","query":"k"}`, func(t *testing.T, r *http.Request) { require.Equal(t, "s3cret", r.URL.Query().Get("k")) }},
		"headers": {`"headers":{"X-Tenant":"t1","X-Secret":"env:S"}`, func(t *testing.T, r *http.Request) {
			require.Equal(t, "t1 s3cret", r.Header.Get("X-Tenant")+" "+r.Header.Get("X-Secret"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := `"list":"row","items":"data.items"`
			if c.options != "" {
				options += "," + c.options
			}
			s := filled(t, options, 1)
			s.refuse = func(r *http.Request) (int, string) { c.check(t, r); return 0, "" }
			src, err := apisource.Kind().Open(t.Context(), s.definition(), env(t, secrets))
			require.NoError(t, err)
			rows, err := drain(t, src)
			require.NoError(t, err)
			require.Len(t, rows, 1)
		})
	}
}

func TestFaultsOfADefinition(t *testing.T) {
	t.Parallel()
	for options, says := range map[string]string{
		`[]`:                                                         "options: must be an object",
		`{"lsit":"x"}`:                                               `options.lsit: unknown field; did you mean "list"?`,
		`{"List":"x"}`:                                               `options.List: unknown field; did you mean "list"?`,
		`{"paging":{"stile":1}}`:                                     `options.paging.stile: unknown field; did you mean "style"?`,
		`{"types":{"a":{"since":{"x":1}}}}`:                          "options.types.a.since.x: unknown field; the fields are format, param",
		`{"types":{"a":{"auth":{}}}}`:                                "options.types.a.auth: unknown field; the fields are create, delete, ignoreErrors, items, list, nullIsEmpty, paging, read, since, update",
		`{"types":[]}`:                                               "options.types: must be an object",
		`{"types":{"a":null}}`:                                       "",
		`{"paging":null,"headers":null}`:                             "",
		`{"items":3}`:                                                "options.items: must be a string",
		`{"paging":"page"}`:                                          "options.paging: must be an object",
		`{"paging":{"style":"page","start":1.5}}`:                    "options.paging.start: must be an integer, not 1.5",
		`{"headers":{"a":1}}`:                                        "options.headers.a: must be a string, not a number",
		`{"paging":{"style":"magic"}}`:                               `options.paging.style: must be none, page, offset, cursor, link or url, not "magic"`,
		`{"paging":{"style":"cursor"}}`:                              "options.paging.next: is required",
		`{"paging":{"style":"link","next":"a"}}`:                     "options.paging.next: goes with the styles cursor and url",
		`{"paging":{"style":"none","more":"a"}}`:                     "options.paging.more: goes with another style",
		`{"paging":{"style":"page","size":-1}}`:                      "options.paging.size",
		`{"paging":{"style":"page","size":10}}`:                      "options.paging.sizeParam: is required",
		`{"paging":{"style":"page","start":-1}}`:                     "options.paging.start",
		`{"paging":{"style":"cursor","next":"n","start":1}}`:         "options.paging.start",
		`{"since":{}}`:                                               "options.since.param: is required",
		`{"since":{"param":"s","format":"roman"}}`:                   "options.since.format",
		`{"auth":{"type":"magic"}}`:                                  "options.auth.type",
		`{"auth":{"type":"bearer"}}`:                                 "options.auth.token: is required",
		`{"auth":{"type":"basic"}}`:                                  "options.auth.username: is required",
		`{"auth":{"type":"apiKey","token":"t","header":"a b"}}`:      "options.auth.header",
		`{"headers":{"a b":"c"}}`:                                    `options.headers["a b"]`,
		`{"list":"https://evil.example/x"}`:                          "options.list: must be on the host of url",
		`{"list":"https://me@api.example.org/x"}`:                    "options.list: must be on the host of url",
		`{"list":"rows/{id}"}`:                                       "options.list: has {id}, but the URL of a list can only have {type}",
		`{"list":"https://API.example.org:443/x"}`:                   "",
		`{"create":{"url":"//evil.example/x"}}`:                      "options.create.url: must be on the host of url",
		`{"create":{"url":"{id}","batch":2}}`:                        "options.create.batch: goes with a url",
		`{"create":{"batch":-2}}`:                                    "options.create.batch",
		`{"create":{"idempotencyHeader":"a b"}}`:                     "options.create.idempotencyHeader",
		`{"create":{"whole":true}}`:                                  "options.create.whole: goes with update",
		`{"update":{"url":"{id}","method":"GET"}}`:                   "options.update.method",
		`{"update":{}}`:                                              "options.update.url: is required",
		`{"update":{"url":"{id}","id":"id"}}`:                        "options.update.id: goes with create",
		`{"delete":{"url":"{type}"}}`:                                "options.delete.url: has neither {id}",
		`{"delete":{"url":"{id}","attemptField":"a"}}`:               "options.delete.attemptField",
		`{"delete":{"url":"{type}/gone","method":"POST"}}`:           "",
		`{"delete":{"url":"{type}/gone","method":"POST","batch":9}}`: "",
		`{"types":{"a":{"since":{}}}}`:                               "options.types.a.since.param",
		`{"timeoutSeconds":-1}`:                                      "options.timeoutSeconds",
	} {
		faults := apisource.Kind().Check(source.Datasource{Type: "api", URL: "https://api.example.org/v1/", Options: json.RawMessage(options)})
		if says == "" {
			require.Empty(t, faults, options)
			continue
		}
		require.NotEmpty(t, faults, options)
		require.Contains(t, faults[0].String(), says, options)
	}
	for _, u := range []string{"", "ftp://x/y", "/x", "https://:80/", "https://me:pw@example.org/"} {
		faults := apisource.Kind().Check(source.Datasource{Type: "api", URL: u, Options: json.RawMessage(`{"list":"x"}`)})
		require.Len(t, faults, 1, u)
		require.Equal(t, "url", faults[0].Path)
		require.NotContains(t, faults[0].Message, "pw")
	}
	faults := apisource.Kind().Check(source.Datasource{
		Type: "api", URL: "https://api.example.org/", FileURL: "x", FileFormat: "csv", Auth: "bearer", ExtraFields: []source.ExtraField{{Name: "apiKey"}},
		Options: json.RawMessage(`{"lsit":1,"items":2,"since":{"format":3}}`),
	})
	var paths []string
	for _, f := range faults {
		paths = append(paths, f.Path)
	}
	require.Equal(t, []string{
		"options.lsit", "options.items", "options.since.format", "options.since.param", "fileUrl", "fileFormat", "auth", "extraFields[0]",
	}, paths, "all of them at once")
}

func TestATimeOutHasAMessageForPeople(t *testing.T) {
	t.Parallel()
	s := filled(t, `"list":"row","items":"data.items"`, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := s.Open(t).Pull(ctx, source.Pull{Spec: source.Spec{Datatype: "row", Key: []string{"id"}}, PageSize: 10})
	require.NoError(t, err)
	_, err = r.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	s.Close()
	_, err = drain(t, s.Open(t))
	require.ErrorContains(t, err, "does not answer")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.False(t, strings.Contains(err.Error(), "/v1/row"), "the error shows more of the URL than its host: %v", err)
}

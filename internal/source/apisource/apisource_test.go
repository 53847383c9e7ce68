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

	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/source"
	"github.com/headgate/headgate/internal/source/apisource"
	"github.com/headgate/headgate/internal/source/sourcetest"
)

const (
	byKey = `"create":{"url":"{type}/{id}","method":"PUT"},"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}`
	made  = `"create":{"url":"{type}","batch":5,"envelope":"rows","results":"created","id":"row.id","idempotencyHeader":"Idempotency-Key"},
		"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}`
	single = `"create":{"url":"{type}","id":"row.id","idempotencyHeader":"Idempotency-Key"},
		"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}`
	since  = `"since":{"param":"since"}`
	paging = `"list":"{type}","items":"data.items","paging":{"size":7,"sizeParam":"size",`
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options string
		h       sourcetest.Harness
	}{
		"page":   {paging + `"style":"page"},` + byKey, sourcetest.Harness{Positional: true}},
		"offset": {paging + `"style":"offset"},` + byKey, sourcetest.Harness{Positional: true}},
		"cursor": {paging + `"style":"cursor","param":"after","next":"meta.next"},` + since + `,` + made, sourcetest.Harness{Cursor: true, SoftDelete: true, ChoosesKeys: true}},
		"link":   {paging + `"style":"link"},` + since + `,` + single, sourcetest.Harness{Cursor: true, SoftDelete: true, ChoosesKeys: true}},
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

// What a server can do wrong is an error for people: never an endless pull, never
// rows that are passed over in silence.
func TestServersThatMisbehave(t *testing.T) {
	t.Parallel()
	const cursor = paging + `"style":"cursor","param":"after","next":"meta.next"}`
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
			src, err := apisource.Kind().Open(t.Context(), s.definition(), env(map[string]string{"env:T": "t0ps3cret"}))
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
	secrets := map[string]string{"env:S": "s3cret"}
	for name, c := range map[string]struct {
		options string
		check   func(t *testing.T, r *http.Request)
	}{
		"bearer": {`"auth":{"type":"bearer","token":"env:S"}`, func(t *testing.T, r *http.Request) { require.Equal(t, "Bearer s3cret", r.Header.Get("Authorization")) }},
		"basic": {`"auth":{"type":"basic","username":"me","password":"env:S"}`, func(t *testing.T, r *http.Request) {
			user, password, _ := r.BasicAuth()
			require.Equal(t, "me s3cret", user+" "+password)
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
			src, err := apisource.Kind().Open(t.Context(), s.definition(), env(secrets))
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
		`{"lsit":"x"}`:                             "options.lsit: is not an option of api",
		`{"items":3}`:                              "options.items: a JSON number",
		`{"paging":{"style":"magic"}}`:             `options.paging.style: "magic" is none of none, page`,
		`{"paging":{"style":"cursor"}}`:            "options.paging.next: is required",
		`{"paging":{"style":"page","size":-1}}`:    "options.paging.size",
		`{"paging":{"style":"page","start":-1}}`:   "options.paging.start",
		`{"since":{}}`:                             "options.since.param: is required",
		`{"since":{"param":"s","format":"roman"}}`: "options.since.format",
		`{"auth":{"type":"magic"}}`:                "options.auth.type",
		`{"auth":{"type":"bearer"}}`:               "options.auth.token: is required",
		`{"auth":{"type":"basic"}}`:                "options.auth.username: is required",
		`{"headers":{"a b":"c"}}`:                  "options.headers.a b",
		`{"list":"https://evil.example/x"}`:        "options.list: must be on the host of url",
		`{"create":{"url":"//evil.example/x"}}`:    "options.create.url: must be on the host of url",
		`{"update":{"method":"GET"}}`:              "options.update.method",
		`{"update":{"batch":5}}`:                   "options.update.batch: goes with create",
		`{"types":{"a":{"since":{}}}}`:             "options.types.a.since.param",
		`{"timeoutSeconds":-1}`:                    "options.timeoutSeconds",
	} {
		faults := apisource.Kind().Check(source.Datasource{Type: "api", URL: "https://api.example.org/v1/", Options: json.RawMessage(options)})
		require.NotEmpty(t, faults, options)
		require.Contains(t, faults[0].String(), says, options)
	}
	for _, u := range []string{"", "ftp://x/y", "/x", "https://me:pw@example.org/"} {
		faults := apisource.Kind().Check(source.Datasource{Type: "api", URL: u})
		require.NotEmpty(t, faults, u)
		require.Equal(t, "url", faults[0].Path)
		require.NotContains(t, faults[0].Message, "pw")
	}
}

// A batch that is refused is sent row by row: only the row that is the reason is
// lost.
func TestABatchIsTakenApart(t *testing.T) {
	t.Parallel()
	s := newServer(t, "{"+`"list":"row",`+made+"}")
	src := s.Open(t)
	var changes []source.Change
	for i := range 5 {
		name := fmt.Sprint("n", i)
		if i == 2 {
			name = "refuse me"
		}
		changes = append(changes, source.Change{Op: source.Create, ID: name, Attempt: name, Fields: map[string]any{"name": name}})
	}
	results, err := src.Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, changes)
	require.NoError(t, err)
	for i, r := range results {
		if i == 2 {
			require.ErrorContains(t, r.Err, "name is refused")
			continue
		}
		require.NoError(t, r.Err)
		require.NotEmpty(t, r.Key)
	}
	require.Len(t, s.rows, 4)
}

func TestCredentialsThatAreRefusedFailThePush(t *testing.T) {
	t.Parallel()
	s := newServer(t, "{"+`"list":"row",`+byKey+"}")
	s.refuse = func(*http.Request) (int, string) { return 403, `{}` }
	_, err := s.Open(t).Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{
		{Op: source.Create, ID: "a", Key: []any{"a"}, Fields: map[string]any{"id": "a"}},
	})
	require.ErrorContains(t, err, "403")
}

func TestKeysAreEscapedInURLs(t *testing.T) {
	t.Parallel()
	s := newServer(t, "{"+`"list":"row",`+byKey+"}")
	for _, id := range []string{"a/b", "../../admin", "ü?x=1#y", "%2e%2e"} {
		_, err := s.Open(t).Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{
			{Op: source.Create, ID: id, Key: []any{id}, Fields: map[string]any{"id": id}},
		})
		require.NoError(t, err)
		require.Contains(t, s.rows, id)
	}
}

func TestATimeOutIsForPeople(t *testing.T) {
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
	require.False(t, strings.Contains(err.Error(), "/v1/row"), "no more of a URL than its host: %v", err)
}

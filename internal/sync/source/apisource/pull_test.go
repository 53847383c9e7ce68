package apisource_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
)

func TestOnePage(t *testing.T) {
	t.Parallel()
	for answer, n := range map[string]int{`[]`: 0, `[{"id":1},{"id":2},3]`: 2} {
		s := newServer(t, `{"list":"row"}`)
		s.answer = func(string, []any) any { return answer }
		rows, err := drain(t, s.Open(t))
		require.NoError(t, err)
		require.Len(t, rows, n)
		require.Equal(t, []string{"GET /v1/row"}, s.calls)
	}
	s := newServer(t, `{"list":"row"}`)
	s.answer = func(string, []any) any { return `[{"id":9007199254740993,"v":0.10}]` }
	rows, err := drain(t, s.Open(t))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"id": json.Number("9007199254740993"), "v": json.Number("0.10")}, rows[0].Map(), "numbers keep their digits")
}

// A pull returns every row even if another process reads each page.
func TestPagesAreReadByOtherProcesses(t *testing.T) {
	t.Parallel()
	for _, options := range []string{
		`"style":"page"}`, `"style":"offset"}`, token + `}`, `"style":"link"}`, `"style":"url","next":"meta.url"}`,
		`"style":"page","more":"meta.more"}`, `"style":"offset","more":"meta.next"}`,
	} {
		s := filled(t, paging+options, 30)
		p := source.Pull{Spec: row, PageSize: 100}
		seen := map[string]bool{}
		for range 10 {
			r, err := s.Open(t).Pull(t.Context(), p)
			require.NoError(t, err)
			page, err := r.Next(t.Context())
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
			for _, row := range page.Rows {
				id, _ := row.Get("id")
				seen[id.(string)] = true
			}
			p.Resume = page.Resume
		}
		require.Len(t, seen, 30, options)
		if strings.Contains(options, "more") {
			require.Len(t, s.calls, 5, "the last page is known to be that")
		}
	}
}

// A circle and a repeated page are detected even if every process reads only one page.
func TestCirclesAreDetectedAcrossProcesses(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{"cursor": paging + token + `}`, "page": paging + `"style":"page"}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, calls := filled(t, options, 1), 0
			s.answer = func(string, []any) any {
				calls++
				id := fmt.Sprint("t", calls)
				if calls > 3 { // after the first three pages, nine pages repeat for ever
					id = fmt.Sprint("circle", calls%9)
				}
				return map[string]any{"now": calls, "data": map[string]any{"items": []any{map[string]any{"id": id}}}, "meta": map[string]any{"next": id}}
			}
			p := source.Pull{Spec: row, PageSize: 100}
			for range 100 {
				r, err := s.Open(t).Pull(t.Context(), p)
				require.NoError(t, err)
				page, err := r.Next(t.Context())
				if err != nil {
					require.Equal(t, fault.Unavailable, fault.CodeOf(err))
					require.Less(t, calls, 40)
					return
				}
				p.Resume = page.Resume
			}
			require.Fail(t, "the pull does not end")
		})
	}
}

func TestListsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	calls := 0
	s := newServer(t, "{"+paging+token+`}}`)
	s.answer = func(string, []any) any {
		calls++
		return map[string]any{"data": map[string]any{"items": []any{}}, "meta": map[string]any{"next": calls}}
	}
	src := s.Open(t)
	r, err := src.Pull(t.Context(), source.Pull{Spec: row, PageSize: 100})
	require.NoError(t, err)
	for err == nil {
		_, err = r.Next(t.Context())
	}
	require.ErrorContains(t, err, "1000 pages without an item")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
}

// If an answer does not have the form that the definition describes, the pull fails. It
// must not end as if there were no more rows.
func TestAnswersOfAnotherForm(t *testing.T) {
	t.Parallel()
	const item = `"data":{"items":[{"id":"a"}]}`
	for _, c := range []struct{ paging, answer, says string }{
		{token + `}`, `{` + item + `,"meta":{"next":{"a":1}}}`, "at meta.next is neither a token nor a URL"},
		{token + `}`, `{` + item + `,"meta":{"next":[1]}}`, "is neither a token nor a URL of a page"},
		{token + `}`, `{` + item + `,"meta":{"next":true}}`, "is neither a token nor a URL of a page"},
		{token + `,"more":"meta.more"}`, `{` + item + `,"meta":{}}`, "does not say whether there is more at meta.more"},
		{token + `,"more":"meta.more"}`, `{` + item + `,"meta":{"more":{}}}`, "does not say whether"},
		{token + `,"more":"meta.more"}`, `{` + item + `,"meta":{"more":true}}`, "says that there is another page (options.paging.more), but not where it is"},
		{`"style":"offset","more":"more"}`, `{"more":true,"data":{"items":[]}}`, "it seems to ignore the position"},
		{`"style":"page"}`, `{"data":{}}`, "no array at data.items"},
		{`"style":"page"}`, `{"data":{"items":{}}}`, "no array at data.items"},
		{`"style":"page"}`, ``, "no array at data.items"},
		{`"style":"page"}`, `{` + item + `} {}`, "not JSON, or only a part"},
		{`"style":"url","next":"next"}`, `{` + item + `,"next":"//evil.example/"}`, "is not followed"},
		{`"style":"url","next":"next"}`, `{` + item + `,"next":"ftp:x"}`, "is not followed"},
		{`"style":"url","next":"next"}`, `{` + item + `,"next":":"}`, "is not followed"},
	} {
		s := newServer(t, "{"+paging+c.paging+"}")
		s.answer = func(string, []any) any { return c.answer }
		_, err := drain(t, s.Open(t))
		require.ErrorContains(t, err, c.says, c.answer)
	}
	for _, end := range []string{`{}`, `{"next":null}`, `{"next":""}`, `{"next":false}`} {
		s := newServer(t, "{"+paging+token+`}}`)
		s.answer = func(string, []any) any { return `{` + item + `,"meta":` + end + `}` }
		rows, err := drain(t, s.Open(t))
		require.NoError(t, err, end)
		require.Len(t, rows, 1)
	}
	empty := newServer(t, `{"list":"row"}`)
	empty.answer = func(string, []any) any { return "" }
	_, err := drain(t, empty.Open(t))
	require.ErrorContains(t, err, "no array", "an answer without a body is no empty list")
}

// A server may report an error with status 200. Such a page is no empty one: the pull would
// end there, and delete the records whose rows it did not see.
func TestAnAnswerWithoutTheListIsNoEmptyList(t *testing.T) {
	t.Parallel()
	const empty = `{"data":{"items":null},"meta":{}}`
	for name, c := range map[string]struct{ items, more, answer, says string }{
		"an error":            {"data", "", `{"data":null,"errors":[{"message":"t0ps3cret is not allowed"}]}`, "has no array at data (options.items), and says: REDACTED is not allowed"},
		"deeper":              {"data.items", "", `{"data":null,"errors":[{"message":"no"}]}`, "at data.items (options.items), and says: no"},
		"at the top":          {"", "", `{"error":"overloaded"}`, "and says: overloaded"},
		"null":                {"data.items", "", empty, "but null: if that is how it writes an empty list, set options.nullIsEmpty"},
		"null is empty":       {"data.items", `,"nullIsEmpty":true`, empty, ""},
		"null is no error":    {"data", `,"nullIsEmpty":true`, `{"data":null,"error":"overloaded"}`, "and says: overloaded"},
		"null is not missing": {"data.items", `,"nullIsEmpty":true`, `{"data":{}}`, "has no array at data.items"},
	} {
		for style, paging := range map[string]string{"one page": "", "page": `,"paging":{"style":"page"}`, "cursor": `,"paging":{` + token + `}`, "link": `,"paging":{"style":"link"}`} {
			s := newServer(t, `{"list":"row","items":"`+c.items+`","auth":{"type":"bearer","token":"t0ps3cret"}`+c.more+paging+`}`)
			s.answer = func(string, []any) any { return c.answer }
			rows, err := drain(t, s.Open(t))
			require.Empty(t, rows)
			if c.says == "" {
				require.NoError(t, err, "%s, %s", name, style)
				continue
			}
			require.ErrorContains(t, err, c.says, "%s, %s", name, style)
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
		}
	}
}

// An answer may have items and an error, as GraphQL's partial ones do. What it left out would
// be deleted here, or stay behind the cursor.
func TestAnAnswerWithAnErrorIsNoWholePage(t *testing.T) {
	t.Parallel()
	const beside = "reports an error beside the items, so some may be missing: "
	for name, c := range map[string]struct{ items, more, answer, says string }{
		"no items":         {"data.items", "", `{"data":{"items":[]},"errors":[{"message":"t0ps3cret is down"}]}`, beside + "REDACTED is down (if it means nothing, set options.ignoreErrors)"},
		"some items":       {"data.items", "", `{"data":{"items":[{"id":"1"}]},"errors":[{"message":"no"}]}`, beside + "no"},
		"a word":           {"items", "", `{"items":[{"id":"1"}],"error":"overloaded"}`, beside + "overloaded"},
		"a flag":           {"items", "", `{"items":[{"id":"1"}],"error":true}`, beside},
		"ignored":          {"items", `,"ignoreErrors":true`, `{"items":[{"id":"1"}],"error":"overloaded"}`, ""},
		"none":             {"items", "", `{"items":[{"id":"1"}],"error":null,"errors":[]}`, ""},
		"a list of errors": {"errors", "", `{"errors":[{"id":"1"}]}`, ""},
	} {
		for style, paging := range map[string]string{"one page": "", "cursor": `,"paging":{` + token + `}`} {
			s := newServer(t, `{"list":"row","items":"`+c.items+`","auth":{"type":"bearer","token":"t0ps3cret"}`+c.more+paging+`}`)
			s.answer = func(string, []any) any { return c.answer }
			rows, err := drain(t, s.Open(t))
			if c.says == "" {
				require.NoError(t, err, "%s, %s", name, style)
				require.Len(t, rows, 1)
				continue
			}
			require.ErrorContains(t, err, c.says, "%s, %s", name, style)
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			require.Empty(t, rows)
		}
	}
}

// A list that ends before its own total may lack rows, also where the last page has none.
func TestAListThatIsShorterThanItsTotal(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"items":[{"id":"1"}],"meta":{"total":3}}`:        "says that there are 3 items (options.paging.total), and 1 came",
		`{"items":[],"meta":{"total":3}}`:                  "and 0 came",
		`{"items":[{"id":"1"},null],"meta":{"total":2}}`:   "",
		`{"items":[{"id":"1"}],"meta":{"total":1}}`:        "",
		`{"items":[{"id":"1"}],"meta":{"total":0}}`:        "",
		`{"items":[{"id":"1"}],"meta":{"total":"many"}}`:   "",
		`{"items":[{"id":"1"}],"meta":{"total":1e999}}`:    "",
		`{"items":[{"id":"1"},{"id":"2"}],"meta":{}}`:      "",
		`{"items":[{"id":"1"}],"meta":{"total":-1}}`:       "",
		`{"items":[{"id":"1"}],"meta":{"total":10000000}}`: "there are 10000000 items",
	} {
		s := newServer(t, `{"list":"row","items":"items","paging":{"style":"cursor","next":"meta.next","total":"meta.total"}}`)
		s.answer = func(string, []any) any { return answer }
		reader, err := s.Open(t).Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "row", Key: []string{"id"}}, PageSize: 10})
		require.NoError(t, err)
		for err == nil {
			_, err = reader.Next(t.Context())
		}
		require.ErrorIs(t, err, io.EOF)
		why, err := reader.(source.Doubting).Doubt(t.Context())
		require.NoError(t, err)
		if want == "" {
			require.Empty(t, why, answer)
		}
		require.Contains(t, why, want, answer)
	}
}

// Some servers answer 404 for the page after the last one.
func TestNothingBeyondTheLastPage(t *testing.T) {
	t.Parallel()
	beyond := func(r *http.Request) (int, string) {
		if r.URL.Query().Get("page") > "5" {
			return 404, `{"detail":"Invalid page."}`
		}
		return 0, ""
	}
	s := filled(t, paging+`"style":"page"}`, 30)
	s.refuse = beyond
	_, err := drain(t, s.Open(t))
	require.ErrorContains(t, err, "answers 404 Not Found: Invalid page. (if this answer marks the end of the list, set options.paging.more")
	s = filled(t, paging+`"style":"page","more":"meta.next"}`, 30)
	s.refuse = beyond
	rows, err := drain(t, s.Open(t))
	require.NoError(t, err)
	require.Len(t, rows, 30)
}

func TestSince(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 0, 5, 0, 500e6, time.UTC)
	for format, want := range map[string]string{
		"":        "2026-02-28T23:59:59Z",
		"rfc3339": "2026-02-28T23:59:59Z",
		"unix":    fmt.Sprint(at.Unix() - 301),
		"unixms":  fmt.Sprint(at.UnixMilli() - 300_001),
		"date":    "2026-02-28",
	} {
		s := newServer(t, `{"list":"row?x=1","items":"data.items","since":{"param":"changed","format":"`+format+`"}}`)
		spec := row
		spec.CursorTime, spec.Overlap = "at", 5*time.Minute
		for _, cursor := range []time.Time{{}, at} {
			r, err := s.Open(t).Pull(t.Context(), source.Pull{Spec: spec, Cursor: source.Cursor{Time: cursor}, PageSize: 10})
			require.NoError(t, err)
			_, err = r.Next(t.Context())
			require.ErrorIs(t, err, io.EOF)
		}
		require.Equal(t, "GET /v1/row?x=1", s.calls[0], "from the beginning")
		require.Equal(t, "GET /v1/row?changed="+strings.ReplaceAll(want, ":", "%3A")+"&x=1", s.calls[1])
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	s := filled(t, paging+`"style":"page","total":"meta.total"}`, 30)
	r, err := s.Open(t).Pull(t.Context(), source.Pull{Spec: row, PageSize: 10})
	require.NoError(t, err)
	page, err := r.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int64{7, 30}, []int64{page.Done, page.Total})
}

// A server may repeat the key in its links. The key is not stored with the pull.
func TestCredentialsAreNotStored(t *testing.T) {
	t.Parallel()
	s := filled(t, paging+`"style":"link"},"auth":{"type":"apiKey","query":"api_key","token":"env:T"}`, 30)
	src, err := apisource.Kind().Open(t.Context(), s.definition(), env(t, map[string]string{"env:T": "t0p s3cret"}))
	require.NoError(t, err)
	r, err := src.Pull(t.Context(), source.Pull{Spec: row, PageSize: 10})
	require.NoError(t, err)
	for n := 0; ; n++ {
		page, err := r.Next(t.Context())
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, 5, n)
			break
		}
		require.NotContains(t, string(page.Resume), "s3cret")
		require.Contains(t, s.calls[n], "api_key=t0p+s3cret", "it is sent")
	}
	s.refuse = func(r *http.Request) (int, string) { return 400, `{"message":"bad request: ` + r.URL.String() + `"}` }
	_, err = drain(t, src)
	require.ErrorContains(t, err, "REDACTED")
	require.NotContains(t, err.Error(), "s3cret")
}

func TestRepeatedCredentialsAreNotShown(t *testing.T) {
	t.Parallel()
	for _, options := range []string{
		`"auth":{"type":"basic","username":"me","password":"s3cret"}`, `"auth":{"type":"bearer","token":"s3cret"}`,
		`"headers":{"X-Api-Key":"s3cret"}`, `"headers":{"X-Other":"env:S"}`,
	} {
		s := newServer(t, `{"list":"row",`+options+`}`)
		s.refuse = func(r *http.Request) (int, string) {
			return 400, fmt.Sprintf("%v", map[string][]string(r.Header))
		}
		src, err := apisource.Kind().Open(t.Context(), s.definition(), env(t, map[string]string{"env:S": "s3cret"}))
		require.NoError(t, err)
		_, err = drain(t, src)
		require.ErrorContains(t, err, "REDACTED", options)
		for _, form := range []string{"s3cret", "bWU6czNjcmV0"} {
			require.NotContains(t, err.Error(), form, options)
		}
	}
}

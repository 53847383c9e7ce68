package apisource_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// scrolls are the ways in which an answer leads to the next page: by a token, a URL or a link.
var scrolls = map[string]string{
	"cursor": `"style":"cursor","param":"scroll","next":"next"`, "url": `"style":"url","next":"next"`, "link": `"style":"link"`,
}

// scroll answers with page n, and leads to the next one by the token.
func scroll(w http.ResponseWriter, style, token string, items []any) {
	next := token
	if style != "cursor" && token != "" {
		next = "/v1/row?scroll=" + token
	}
	if style == "link" && token != "" {
		w.Header().Set("Link", "<"+next+`>; rel="next"`)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items, "next": next})
}

// pulled reads the pages, each in a process of its own if many is set.
func (s *server) pulled(t *testing.T, many bool) (ids []string, err error) {
	p := source.Pull{Spec: row, PageSize: 100}
	r, err := s.Open(t).Pull(t.Context(), p)
	require.NoError(t, err)
	for range 100 {
		page, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return ids, nil
		}
		if err != nil {
			return ids, err
		}
		for _, row := range page.Rows {
			id, _ := row.Get("id")
			ids = append(ids, fmt.Sprint(id))
		}
		if many {
			p.Resume = page.Resume
			r, err = s.Open(t).Pull(t.Context(), p)
			require.NoError(t, err)
		}
	}
	require.Fail(t, "the pull does not end")
	return nil, nil
}

// A scroll has one token for all of its pages. It ends with an empty page, with a page
// without a token, or where the answer says so.
func TestAScrollHasOneToken(t *testing.T) {
	t.Parallel()
	for style, paging := range scrolls {
		for _, end := range []string{"empty", "no token"} {
			for _, many := range []bool{false, true} {
				t.Run(fmt.Sprint(style, "/", end, "/", many), func(t *testing.T) {
					t.Parallel()
					s := newServer(t, `{"list":"row","items":"items","paging":{`+paging+`}}`)
					var want []string
					for i := range 12 {
						want = append(want, fmt.Sprint("r", i))
					}
					at := 0
					s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if (at > 0) != (r.URL.Query().Get("scroll") == "same") {
							w.WriteHeader(http.StatusBadRequest)
							return
						}
						items := []any{}
						for ; at < len(want) && len(items) < 5; at++ {
							items = append(items, map[string]any{"id": want[at]})
						}
						token := "same"
						if end == "no token" && at == len(want) {
							token = ""
						}
						scroll(w, style, token, items)
					})
					ids, err := s.pulled(t, many)
					require.NoError(t, err)
					require.Equal(t, want, ids)
				})
			}
		}
	}
}

// A list that leads back to pages that were read is a circle: with one token, with the
// tokens of these pages, with ever new ones, and if fields of its rows change with each call.
func TestACircleIsKnownByItsItems(t *testing.T) {
	t.Parallel()
	for style, paging := range scrolls {
		for _, tokens := range []string{"one", "of the page", "new"} {
			for _, length := range []int{1, 3} {
				for _, changing := range []bool{false, true} {
					if changing && tokens == "new" {
						continue // nothing of such an answer occurs twice
					}
					t.Run(fmt.Sprint(style, "/", tokens, "/", length, "/", changing), func(t *testing.T) {
						t.Parallel()
						s, calls := newServer(t, `{"list":"row","items":"items","paging":{`+paging+`}}`), 0
						s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
							item := map[string]any{"id": fmt.Sprint("r", calls%length)}
							if changing {
								item["at"] = calls
							}
							calls++
							token := map[string]string{"one": "t", "of the page": fmt.Sprint("t", calls%length), "new": fmt.Sprint("t", calls)}[tokens]
							scroll(w, style, token, []any{item})
						})
						_, err := s.pulled(t, length == 3)
						require.ErrorContains(t, err, "in a circle")
						require.Equal(t, fault.Unavailable, fault.CodeOf(err))
						require.Less(t, calls, 12)
					})
				}
			}
		}
	}
}

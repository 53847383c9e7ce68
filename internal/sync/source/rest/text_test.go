package rest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// An answer is decoded by its byte order mark or its charset. What cannot be decoded is
// refused, and never altered.
func TestCharsets(t *testing.T) {
	t.Parallel()
	utf16, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(`{"name":"José"}`)
	require.NoError(t, err)
	for name, c := range map[string]struct{ mediaType, body, want, refused string }{
		"UTF-8":              {"application/json", `{"name":"José"}`, "José", ""},
		"U+FFFD itself":      {"application/json", "{\"name\":\"\ufffd\"}", "\ufffd", ""},
		"mark":               {"application/json", "\ufeff{\"name\":\"José\"}", "José", ""},
		"UTF-16":             {"application/json", utf16, "José", ""},
		"Latin-1":            {"application/json; charset=ISO-8859-1", "{\"name\":\"Jos\xe9\"}", "José", ""},
		"Windows-1251":       {"application/json; charset=windows-1251", "{\"name\":\"\xcc\"}", "М", ""},
		"the mark wins":      {"application/json; charset=ISO-8859-1", "\ufeff{\"name\":\"José\"}", "José", ""},
		"no charset":         {"application/json", "{\"name\":\"Jos\xe9\"}", "", "is not UTF-8, and its Content-Type names no other charset"},
		"a wrong charset":    {"application/json; charset=windows-1252", "{\"name\":\"Jos\x81\"}", "", `is not text of the charset "windows-1252"`},
		"an unknown charset": {"application/json; charset=klingon", "{\"name\":\"Jos\xe9\"}", "", `the charset "klingon" of its Content-Type is not known`},
		"unknown, but UTF-8": {"application/json; charset=klingon", `{"name":"José"}`, "José", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := answer(t, c.mediaType, c.body)
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				require.Equal(t, fault.Invalid, fault.CodeOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, map[string]any{"name": c.want}, a.Body)
		})
	}
}

// Half a surrogate pair concerns its own value only: the mapping rejects that row. Two names
// that are no text stay two names.
func TestHalvesOfSurrogatePairs(t *testing.T) {
	t.Parallel()
	a, err := answer(t, "application/json", `[{"id": 1, "name": "\ud83d"}, {"id": 2, "\ud83d": 1, "\ud83e": 2}, {"id": 3, "name": "\ud83d\ude00"}]`)
	require.NoError(t, err)
	rows := a.Body.([]any)
	require.Len(t, rows, 3)
	require.False(t, utf8.ValidString(rows[0].(map[string]any)["name"].(string)))
	require.Len(t, rows[1], 3)
	require.Equal(t, "😀", rows[2].(map[string]any)["name"])
}

func answer(t *testing.T, mediaType, body string) (*rest.Answer, error) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write([]byte(body))
	}))
	defer s.Close()
	c := rest.Client{HTTP: s.Client()}
	return c.Call(t.Context(), http.MethodGet, s.URL, nil, nil)
}

package apisource

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNext(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"":                                   "",
		"</2>; rel=next":                     "/2",
		`</1>; rel="prev", </2>; rel="next"`: "/2",
		`</2>; rel="last next"`:              "/2",
		`</2>; REL="NEXT"`:                   "/2",
		`</1>; rel="prev"; rel="next"`:       "", // a second rel is ignored
		`</2>; title="a, b"; rel=next`:       "/2",
		`</2>; title="\"; rel=x"; rel=next`:  "/2",
		`</a,b>; rel=next`:                   "/a,b",
		`</2`:                                "",
		`nonsense`:                           "",
	} {
		require.Equal(t, want, nextLink([]string{header}), header)
	}
	require.Equal(t, "/2", nextLink([]string{"</1>; rel=prev", "</2>; rel=next"}))
}

func FuzzNext(f *testing.F) {
	f.Add(`<https://x/y>; rel="next", <z>; title="a\"b"`)
	f.Fuzz(func(t *testing.T, header string) {
		if got := nextLink([]string{header}); got != "" {
			require.Contains(t, header, got)
		}
	})
}

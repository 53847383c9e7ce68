package etag_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/etag"
)

func TestOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"0"`, etag.Of(0))
	require.Equal(t, `"12"`, etag.Of(12))
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	const now = `"1"`
	for _, c := range []struct {
		header  string
		current string // "": the resource does not exist
		want    bool
	}{
		{``, now, true},
		{``, ``, true},
		{`*`, now, true},
		{`*`, ``, false},
		{`"1"`, now, true},
		{`"1"`, ``, false},
		{`"1", "2"`, now, true},
		{`"2","1"`, now, true},
		{`"2" , , "1",`, now, true},
		{"\t\"1\" ", now, true},
		{`W/"1", "1"`, now, true},
		{`W/"1"`, now, false},
		{`W/"1"`, `W/"1"`, false}, // a weak ETag never matches, not even itself
		{`"2"`, now, false},
		{`"2", "3"`, now, false},
		{`"2,1"`, now, false},
		{`"11"`, now, false},
		{`1`, now, false},
		{`"1`, now, false},
		{`"*"`, now, false},
		{`"2", *`, now, false}, // * stands alone
		{`, ,`, now, false},
		{`, ,`, ``, false},
	} {
		require.Equal(t, c.want, etag.Matches(c.header, c.current), "%q of %q", c.header, c.current)
	}
}

func TestLinesAreOneList(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	require.Empty(t, etag.IfMatch(h))
	h.Add("If-Match", `"2"`)
	require.Equal(t, `"2"`, etag.IfMatch(h))
	h.Add("If-Match", `"3", "1"`)
	require.True(t, etag.Matches(etag.IfMatch(h), `"1"`))
	require.False(t, etag.Matches(etag.IfMatch(h), `"4"`))
}

func TestUnchanged(t *testing.T) {
	t.Parallel()
	const now = `"1"`
	for text, want := range map[string]bool{
		``: false, `"1"`: true, `W/"1"`: true, `"2", "1"`: true, `"2",W/"1"`: true, `*`: true, `"2"`: false, `1`: false, `"11"`: false,
	} {
		require.Equal(t, want, etag.Unchanged(http.Header{"If-None-Match": {text}}, now), text)
	}
	require.True(t, etag.Unchanged(http.Header{"If-None-Match": {`"2"`, now}}, now), "several lines form one list")
	require.False(t, etag.Unchanged(http.Header{"If-None-Match": {`*`}}, ""), "the resource does not exist")
	require.False(t, etag.Unchanged(http.Header{}, now))
}

package event_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
)

func TestDeriveIDSeparatesItsFields(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, f := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"", "ab", "c"}, {"a", "b", "c "}} {
		id := event.DeriveID(f[0], f[1], f[2])
		require.Len(t, id, event.IDLen)
		require.False(t, ids[id], "%q", f)
		ids[id] = true
	}
	require.Equal(t, event.DeriveID("a", "b", "c"), event.DeriveID("a", "b", "c"))
	require.Len(t, event.RandomID(), event.IDLen)
	require.NotEqual(t, event.RandomID(), event.RandomID())
	at := time.UnixMilli(1_800_000_000_000)
	require.Len(t, event.NewID(at), event.IDLen)
	require.NotEqual(t, event.NewID(at), event.NewID(at))
	require.Less(t, event.NewID(at), event.NewID(at.Add(time.Millisecond)))
}

func TestUnnamed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)
	require.True(t, event.Ref{ID: event.NewID(at), ReceivedAt: at}.Unnamed())
	require.False(t, event.Ref{ID: event.NewID(at), ReceivedAt: at.Add(time.Second)}.Unnamed())
	require.False(t, event.Ref{ID: event.DeriveID("s", "e", "k"), ReceivedAt: at}.Unnamed())
}

func TestQueryLosesNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw   string
		want  map[string][]string
		exact bool
	}{
		{"", map[string][]string{}, true},
		{"a=1&a=2&b", map[string][]string{"a": {"1", "2"}, "b": {""}}, true},
		{"=1", map[string][]string{"": {"1"}}, true},
		{"__a__=1", map[string][]string{"__a__": {"1"}}, true},
		{"q=%00", map[string][]string{"q": {"\x00"}}, true},
		{"q=%ff", map[string][]string{"q": {"ÿ"}}, false},
		{"q=%zz&ok=1", map[string][]string{"q": {"%zz"}, "ok": {"1"}}, false},
		{"a;b=1", map[string][]string{"a;b": {"1"}}, true},
	} {
		got, exact := event.Query(tt.raw)
		require.Equal(t, tt.want, got, tt.raw)
		require.Equal(t, tt.exact, exact, tt.raw)
	}
}

func TestSplitBatchKeepsItemsByteForByte(t *testing.T) {
	t.Parallel()
	items, err := event.SplitBatch([]byte("[ {\"a\" :  1.0e0} ,\n2, \"\\u00e9\"]"), 3)
	require.NoError(t, err)
	require.Equal(t, []json.RawMessage{json.RawMessage(`{"a" :  1.0e0}`), json.RawMessage(`2`), json.RawMessage(`"\u00e9"`)}, items)
	for _, bad := range []string{`{}`, `null`, `[1,`, ``, `[1] 2`} {
		_, err := event.SplitBatch([]byte(bad), 3)
		require.Error(t, err, bad)
	}
	items, err = event.SplitBatch([]byte(`[]`), 3)
	require.NoError(t, err)
	require.Empty(t, items)
}

func TestSplitBatchStopsAtTheLimit(t *testing.T) { // not parallel: it counts allocations
	// The text after the limit is never read, so it need not even be JSON.
	_, err := event.SplitBatch([]byte(`[1,2,3,4,`), 3)
	require.EqualError(t, err, "the batch has more than 3 items: send at most 3 at once")
	body := []byte("[1" + strings.Repeat(",1", 4<<20) + "]")
	allocations := testing.AllocsPerRun(1, func() { _, err = event.SplitBatch(body, 1000) })
	require.Error(t, err)
	require.Less(t, allocations, 10_000.0)
}

func TestMetaRoundTrip(t *testing.T) {
	t.Parallel()
	e := event.Event{ID: event.RandomID(), ReceivedAt: time.Unix(1, 0), Content: []byte("x"), Meta: event.Meta{
		Method: "POST", Headers: map[string][]string{"A": {"é", "\x00"}}, Query: map[string][]string{"": {""}}, RawQuery: "q=%ff",
		CloudEvent: map[string]json.RawMessage{"id": json.RawMessage(`"1"`)},
	}}
	m, err := event.ParseMeta(e.MetaJSON())
	require.NoError(t, err)
	require.Equal(t, e.Meta, m)
	require.Equal(t, int64(len(e.MetaJSON())+1), e.Size())
	_, err = event.ParseMeta([]byte("{"))
	require.Error(t, err)
}

// FuzzReceive feeds arbitrary requests to every decoder. None may panic, and the result
// must be valid UTF-8, because a document store takes nothing else.
func FuzzReceive(f *testing.F) {
	f.Add("a=1&%ff=%zz", "application/cloudevents+json", "caf\xe9", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t"}`))
	f.Add("", "application/cloudevents+json", "1.0", []byte(`{"specversion":"1.0","id":"\ud800","source":"s","type":"t","data":{"subscription":"s","message":{"messageId":"1","data":"aGk="}}}`))
	f.Add("=&&;", "application/json", "x", []byte(`{"message":{"messageId":"7","data":"aGk="}}`))
	f.Fuzz(func(t *testing.T, rawQuery, contentType, header string, body []byte) {
		values, exact := event.Query(rawQuery)
		n := 0
		for k, vs := range values {
			require.True(t, utf8.ValidString(k))
			for _, v := range vs {
				require.True(t, utf8.ValidString(v))
			}
			n += len(vs)
		}
		pairs := 0
		for p := range strings.SplitSeq(rawQuery, "&") {
			if p != "" {
				pairs++
			}
		}
		require.Equal(t, pairs, n, "no pair is lost")
		if std, err := url.ParseQuery(rawQuery); err == nil && exact {
			require.Equal(t, map[string][]string(std), values, "where net/url understands it, so do we alike")
		}
		h := map[string][]string{"Content-Type": {contentType}, "Ce-Specversion": {header}, "Ce-Id": {header}, "X": {header}}
		meta := event.Rules{}.Receive("POST", h, rawQuery)
		for _, v := range meta.Headers["X"] {
			require.True(t, utf8.ValidString(v))
		}
		for name, vs := range meta.Query {
			require.Len(t, vs, len(values[name]), "a parameter is kept whole or not at all")
		}
		c, err := event.Decode(h, body)
		require.True(t, err == nil || c.CloudEvent == nil, "what is malformed is a plain event")
		e := event.Event{Meta: event.Meta{CloudEvent: c.CloudEvent, Query: values}, Content: c.Content}
		if c.Push != nil {
			event.Rules{}.PubSub(&e.Meta, c.Push.PubSub)
		}
		require.True(t, utf8.Valid(e.MetaJSON()))
		m, err := event.ParseMeta(e.MetaJSON())
		require.NoError(t, err)
		require.Len(t, m.CloudEvent, len(c.CloudEvent))
		_, _ = event.DecodeItem(true, body)
		_, _ = event.SplitBatch(body, 1000)
	})
}

package draft_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/draft"
)

func rows(t testing.TB, text string) (r draft.Rows) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &r))
	return r
}

// A field is flagged only if its incoming value differs from the saved and the draft's.
func TestFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ saved, incoming, draft, flags string }{
		"nothing happened":            {`{"1":{"n":"a"}}`, `{"1":{"n":"a"}}`, `{"1":{"n":"a"}}`, `[]`},
		"a purely local edit":         {`{"1":{"n":"a"}}`, `{"1":{"n":"a"}}`, `{"1":{"n":"b"}}`, `[]`},
		"changed outside":             {`{"1":{"n":"a"}}`, `{"1":{"n":"b"}}`, `{"1":{"n":"a"}}`, `[{"row":"1","field":"n","kind":"changed","saved":"a","incoming":"b","draft":"a"}]`},
		"both, alike":                 {`{"1":{"n":"a"}}`, `{"1":{"n":"b"}}`, `{"1":{"n":"b"}}`, `[]`},
		"both, not alike":             {`{"1":{"n":"a"}}`, `{"1":{"n":"b"}}`, `{"1":{"n":"c"}}`, `[{"row":"1","field":"n","kind":"changed","saved":"a","incoming":"b","draft":"c"}]`},
		"another field":               {`{"1":{"n":"a","p":1}}`, `{"1":{"n":"b","p":1}}`, `{"1":{"n":"b","p":2}}`, `[]`},
		"deleted outside":             {`{"1":{"n":"a"}}`, `{}`, `{"1":{"n":"a"}}`, `[{"row":"1","kind":"deleted","saved":{"n":"a"},"draft":{"n":"a"}}]`},
		"deleted on both sides":       {`{"1":{"n":"a"}}`, `{}`, `{}`, `[]`},
		"deleted here":                {`{"1":{"n":"a"}}`, `{"1":{"n":"a"}}`, `{}`, `[]`},
		"deleted here, changed there": {`{"1":{"n":"a"}}`, `{"1":{"n":"b"}}`, `{}`, `[{"row":"1","kind":"changed","saved":{"n":"a"},"incoming":{"n":"b"}}]`},
		"added outside":               {`{}`, `{"2":{"n":"x"}}`, `{}`, `[{"row":"2","kind":"added","incoming":{"n":"x"}}]`},
		"added on both, not alike":    {`{}`, `{"2":{"n":"x"}}`, `{"2":{"n":"y"}}`, `[{"row":"2","field":"n","kind":"changed","incoming":"x","draft":"y"}]`},
		"added here":                  {`{}`, `{}`, `{"2":{"n":"x"}}`, `[]`},
		"a field is gone outside":     {`{"1":{"n":"a","x":1}}`, `{"1":{"n":"a"}}`, `{"1":{"n":"a","x":1}}`, `[{"row":"1","field":"x","kind":"deleted","saved":1,"draft":1}]`},
	} {
		d := draft.Draft{Saved: rows(t, c.saved), Incoming: rows(t, c.incoming), Draft: rows(t, c.draft)}
		got, err := json.Marshal(d.Flags())
		require.NoError(t, err)
		require.JSONEq(t, c.flags, string(got), name)
	}
}

// table draws rows whose ids and fields often coincide.
func table() *rapid.Generator[draft.Rows] {
	value := rapid.SampledFrom([]any{"a", "b", 1.0, 2.0})
	row := rapid.MapOfN(rapid.SampledFrom([]string{"name", "priority"}), value, 1, 2)
	return rapid.Custom(func(t *rapid.T) draft.Rows {
		out := draft.Rows{}
		for id, r := range rapid.MapOfN(rapid.SampledFrom([]string{"1", "2", "3"}), row, 0, 3).Draw(t, "rows") {
			out[id] = r
		}
		return out
	})
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := draft.Draft{Saved: table().Draw(t, "saved"), Incoming: table().Draw(t, "incoming"), Draft: table().Draw(t, "draft")}
		before, err := json.Marshal(d)
		require.NoError(t, err)
		flags := d.Flags()
		require.Empty(t, d.Accept("", "").Flags(), "everything is decided")
		require.Empty(t, d.Keep("", "").Flags())
		require.Equal(t, d.Draft, d.Keep("", "").Draft, "to keep changes nothing of ours")
		require.Empty(t, d.Discard().Flags())
		require.False(t, d.Discard().Edited())
		require.False(t, d.Stored().Edited())
		for _, f := range flags {
			for _, decided := range []draft.Draft{d.Accept(f.Row, f.Field), d.Keep(f.Row, f.Field)} {
				if f.Field == "" || len(flags) == 1 {
					continue
				}
				require.Len(t, decided.Flags(), len(flags)-1, "that one, and no other")
			}
			if accepted := d.Accept(f.Row, f.Field); f.Field != "" {
				require.Equal(t, d.Incoming[f.Row][f.Field], accepted.Draft[f.Row][f.Field])
			}
		}
		after, err := json.Marshal(d)
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), "nothing is changed in place")
	})
}

func TestEdit(t *testing.T) {
	t.Parallel()
	d := draft.New(rows(t, `{"1":{"n":"a","p":1}}`))
	e := d.Edit(map[string]draft.Row{"1": {"n": "b"}, "2": {"n": "new"}})
	require.Equal(t, rows(t, `{"1":{"n":"b","p":1},"2":{"n":"new"}}`), e.Draft)
	require.True(t, e.Edited())
	require.False(t, d.Edited())
	e = e.Edit(map[string]draft.Row{"1": {"p": nil}, "2": nil})
	require.Equal(t, rows(t, `{"1":{"n":"b"}}`), e.Draft)
	// One person removes a row while another edits it.
	back := d.Edit(map[string]draft.Row{"1": nil}).Edit(map[string]draft.Row{"1": {"n": "b"}})
	require.Equal(t, rows(t, `{"1":{"n":"b","p":1}}`), back.Draft)
	require.Equal(t, rows(t, `{"1":{"n":"a","p":1}}`), back.Saved)
}

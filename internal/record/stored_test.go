package record_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/record"
)

// After any sequence of changes, each sync finds what it last agreed on with its source:
// in Base, or in Data if that has not changed since.
func TestBasesAreCopiedOnWrite(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &record.Record{ID: "r", Version: 1, Data: []byte(`{"n":0}`)}
		agreed := map[string]string{}
		version := int64(1)
		for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
			sync := rapid.SampledFrom([]string{"s1", "s2", "s3"}).Draw(t, "sync")
			at := time.UnixMicro(int64(step)).UTC()
			switch rapid.SampledFrom([]string{"edit", "delete", "agree", "source went on", "reload", "clone"}).Draw(t, "step") {
			case "edit":
				r.Edit(fmt.Appendf(nil, `{"n":%d}`, step), at)
				version++
				require.False(t, r.Deleted)
				require.Equal(t, at, r.UpdatedAt)
			case "delete":
				r.Delete(at)
				version++
				require.True(t, r.Deleted)
			case "agree":
				r.SetLink(sync, record.Link{Key: "key"})
				agreed[sync] = string(r.Data)
			case "source went on":
				r.SetLink(sync, record.Link{Base: json.RawMessage(`{"at":"source"}`)})
				agreed[sync] = `{"at":"source"}`
			case "reload":
				back, err := record.Parse("r", r.AppendJSON([]byte("before"))[len("before"):])
				require.NoError(t, err)
				back.UpdatedAt = r.UpdatedAt
				r = back
			case "clone":
				was := r
				r = r.Clone()
				was.Edit([]byte(`{"was":true}`), at) // edits of the original must not reach the clone
				was.SetLink("s1", record.Link{Gone: true})
			}
			require.Equal(t, version, r.Version)
			require.Len(t, r.Links, len(agreed))
			for id, want := range agreed {
				l, known := r.Link(id)
				require.True(t, known)
				got := l.Base
				if got == nil {
					got = r.Data
				}
				require.Equal(t, want, string(got))
			}
		}
	})
}

// The base is a copy: reusing the buffer of Data does not change it.
func TestBasesAreNotShared(t *testing.T) {
	t.Parallel()
	data := []byte(`{"n":1}`)
	r := &record.Record{ID: "r", Version: 1, Data: data}
	r.SetLink("s", record.Link{})
	r.Edit([]byte(`{"n":2}`), time.Unix(1, 0))
	copy(data, `{"n":9}`)
	require.JSONEq(t, `{"n":1}`, string(r.Links["s"].Base))
}

func TestStoredText(t *testing.T) {
	t.Parallel()
	r := &record.Record{ID: "r", Version: 3, UpdatedAt: time.UnixMicro(1_767_571_200_000_001).UTC(), Data: []byte(`{"a":1}`)}
	require.Equal(t, `{"v":3,"u":1767571200000001,"d":{"a":1}}`, string(r.AppendJSON(nil)))
	r.SetLink("readings-2026", record.Link{})
	require.Equal(t, `{"v":3,"u":1767571200000001,"l":{"readings-2026":{}},"d":{"a":1}}`, string(r.AppendJSON(nil)), "the form of nearly all records")
	r.Deleted, r.ExternalIDs = true, map[string]string{"legacy": "<9>"}
	r.SetLink("readings-2026", record.Link{Key: "k", Held: []string{"a"}})
	require.JSONEq(t, `{"v":3,"u":1767571200000001,"del":true,"x":{"legacy":"<9>"},"l":{"readings-2026":{"k":"k","h":["a"]}},"d":{"a":1}}`,
		string(r.AppendJSON(nil)))
	back, err := record.Parse("r", r.AppendJSON(nil))
	require.NoError(t, err)
	require.Equal(t, r, back)
}

func TestParseRejectsOtherContent(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{", "[]", `{"v":"1"}`, `{"v":1.5}`, `{"l":[]}`} {
		_, err := record.Parse("the-id", []byte(body))
		require.ErrorContains(t, err, "the-id", body)
	}
}

// Any stored content parses to a record or gives an error.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"v":3,"u":1767571200000001,"del":true,"x":{"l":"9"},"l":{"s":{"k":"k","b":{"x":1},"g":true,"h":["a"],"a":"t"}},"d":{"a":1}}`))
	f.Add([]byte(`{"l":{"s":{"b":null}},"d":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := record.Parse("r", body)
		if err != nil {
			return
		}
		if r.Data == nil {
			r.Data = []byte(`{}`)
		}
		back, err := record.Parse("r", r.AppendJSON(nil))
		require.NoError(t, err)
		require.Equal(t, string(r.AppendJSON(nil)), string(back.AppendJSON(nil)))
		r.Edit([]byte(`{}`), time.Unix(0, 0))
		_, err = record.Parse("r", r.AppendJSON(nil))
		require.NoError(t, err)
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	r := &record.Record{ID: "1171000", Version: 1, UpdatedAt: time.Unix(1_767_571_200, 0), Data: []byte(`{"value":8.75,"well":"1171000"}`)}
	r.SetLink("readings-2026", record.Link{})
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = r.AppendJSON(out[:0])
	}
}

func TestStoredForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data, err := record.Canonical(object().Draw(t, "data"))
		require.NoError(t, err)
		r := &record.Record{
			ID: "id", Version: rapid.Int64Range(1, 1<<40).Draw(t, "version"), Data: data,
			UpdatedAt: time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(t, "time")).UTC(), Deleted: rapid.Bool().Draw(t, "deleted"),
		}
		if rapid.Bool().Draw(t, "external") {
			r.ExternalIDs = map[string]string{"a": rapid.String().Draw(t, "external id")}
		}
		for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"s1", "s2", "s3"}), 0, 3, rapid.ID).Draw(t, "syncs") {
			l := record.Link{Gone: rapid.Bool().Draw(t, "gone")}
			if rapid.Bool().Draw(t, "has a key") {
				l.Key = rapid.String().Draw(t, "key")
			}
			if rapid.Bool().Draw(t, "has a base") {
				l.Base = json.RawMessage(`{"x":1}`)
			}
			if rapid.Bool().Draw(t, "attempt") {
				l.Attempt = "attempt"
			}
			r.SetLink(id, l)
		}
		back, err := record.Parse("id", r.AppendJSON(nil))
		require.NoError(t, err)
		require.Equal(t, r, back)
	})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	r := &record.Record{ID: "r", Data: []byte(`{"a":1}`), Version: 1}
	_, known := r.Link("s")
	require.False(t, known)
	r.SetLink("s", record.Link{Key: "r"})
	l, known := r.Link("s")
	require.True(t, known)
	require.Equal(t, "r", l.Key)
	require.Empty(t, r.Links["s"].Key, "a key that equals the id is not stored")

	r.SetLink("gone", record.Link{Gone: true})
	r.SetLink("tried", record.Link{Attempt: "x"})
	_, known = r.Link("tried")
	require.False(t, known, "the outcome of the creation is unknown")
	copied := r.Clone()
	r.Edit([]byte(`{"a":2}`), time.Unix(5, 0))
	require.Equal(t, int64(2), r.Version)
	require.JSONEq(t, `{"a":1}`, string(r.Links["s"].Base), "what both sides agreed on")
	require.JSONEq(t, `{"a":1}`, string(r.Links["tried"].Base), "what was sent")
	require.Nil(t, r.Links["gone"].Base)
	require.Nil(t, copied.Links["s"].Base, "a clone has its own links")
	r.Edit([]byte(`{"a":3}`), time.Unix(6, 0))
	require.JSONEq(t, `{"a":1}`, string(r.Links["s"].Base), "the base stays what it was")
	r.Delete(time.Unix(7, 0))
	require.True(t, r.Deleted)
	require.Equal(t, int64(4), r.Version)
	require.JSONEq(t, `{"a":3}`, string(r.Data))
}

package storetest

import (
	"bytes"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

var docsBodyTests = map[string]func(*docsFixture){
	"Body/Exact": func(f *docsFixture) {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		var writes []store.Write
		var ids []string
		for i, body := range [][]byte{
			every, nil, {}, {0}, {0, 0}, {0xff, 0xfe, 0xc3}, []byte("{\"a\": \"\U0001F409\"}\r\n"), []byte(`12345678901234567890.0000000001`), []byte("null"),
		} {
			w := f.create(fmt.Sprint(i))
			w.Doc.Body = body
			writes, ids = append(writes, w), append(ids, w.Doc.ID)
		}
		docs := f.commit(writes...)
		requireDocs(f, docs, f.get(ids...))
		listed, err := f.s.List(f.ctx, store.Listing{Collection: f.col, Limit: 100})
		require.NoError(f, err)
		requireDocs(f, docs, pointers(listed))
	},

	// The caller may change the bytes that it passed to Commit, and those that Get returned.
	"Body/IsACopy": func(f *docsFixture) {
		w := f.create("a")
		want := bytes.Clone(w.Doc.Body)
		f.commit(w)
		w.Doc.Body[0] = 'X'
		got := f.get("a")[0].Body
		require.Equal(f, want, got)
		got[0] = 'Y'
		require.Equal(f, want, f.get("a")[0].Body)
	},

	"Limits/Body": func(f *docsFixture) {
		most := f.s.Limits().MaxDocBytes
		require.GreaterOrEqual(f, most, 1_000_000)
		require.LessOrEqual(f, most, f.s.Limits().MaxCommitBytes)
		w := f.create("a")
		w.Doc.Body = filler(most)
		docs := f.commit(w)
		requireDocs(f, docs, f.get("a"))
		w = f.replace("a", docs[0].Rev, "")
		w.Doc.Body = filler(most)[1:]
		docs = f.commit(w)
		requireDocs(f, docs, f.get("a"))

		large := f.create("b")
		large.Doc.Body = filler(most + 1)
		f.tooLarge(f.create("c"), large)
		requireDocs(f, []*store.Doc{docs[0], nil, nil}, f.get("a", "b", "c"))
	},

	// Only bodies count for the limits: names of the longest length fit into a full commit too.
	"Limits/Writes": func(f *docsFixture) {
		most := f.s.Limits().MaxCommit
		require.GreaterOrEqual(f, most, 500)
		writes := make([]store.Write, most+1)
		ids := make([]string, most+1)
		for i := range writes {
			ids[i] = fmt.Sprintf("/%0*d", longestName-1, i)
			writes[i] = f.create(ids[i])
			writes[i].Doc.Body = []byte("x")
		}
		f.tooLarge(writes...)
		require.Zero(f, f.count(f.col, 1))
		body := filler(min(f.s.Limits().MaxDocBytes, f.s.Limits().MaxCommitBytes/most))
		for i := range writes {
			writes[i].Doc.Body = body
		}
		requireDocs(f, f.commit(writes[:most]...), f.get(ids[:most]...))
		require.Equal(f, most, f.count(f.col, 10*most))
	},

	"Limits/Bytes": func(f *docsFixture) {
		limits := f.s.Limits()
		each := min(limits.MaxDocBytes, max(1, limits.MaxCommitBytes/min(limits.MaxCommit, 16)))
		var writes []store.Write
		var ids []string
		body := filler(each)
		for left := limits.MaxCommitBytes; left > 0; left -= each {
			w := f.create(fmt.Sprintf("%05d", len(writes)))
			w.Doc.Body = body[:min(left, each)]
			writes, ids = append(writes, w), append(ids, w.Doc.ID)
		}
		require.LessOrEqual(f, len(writes), limits.MaxCommit)
		one := f.create("one more")
		one.Doc.Body = []byte{1}
		f.tooLarge(append(writes[:len(writes):len(writes)], one)...)
		require.Zero(f, f.count(f.col, 1))

		docs := f.commit(writes...)
		require.Len(f, docs, len(writes))
		requireDocs(f, docs, f.get(ids...))
		require.Equal(f, ids, f.list(false, false, 10))
	},
}

// filler returns a body of that size.
func filler(size int) []byte {
	return bytes.Repeat([]byte{0, 1, 0xff, 'x', 0xc3, 0x28}, size/6+1)[:size]
}

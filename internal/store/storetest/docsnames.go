package storetest

import (
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// longestName of a document or a scope.
const longestName = 1000

// docNames returns names that a wrong encoding would confuse, refuse, or sort differently
// from their bytes.
func docNames() []string {
	names := []string{
		"ab", "abc", "ab ", "ab!", "ab-", "ab.", "ab/", "ab0", "ab:", "ab@", "abA", "ab[", "ab_", "ab`", "aba", "ab{", "ab~", "ab\x7f", "ab\u0080",
		"1", "2", "10", "01", "+", "=", "^", "__id7__", "__id10__", "___", "_", "_a", "a_", "__x", "x__", "...", "..a", "a..",
		// UTF-16 sorts U+E000 and above after the surrogate pairs, UTF-8 before.
		"\uE000", "\uFF5E", "\U00010000", "\U0010FFFF", "\uD7FF", "\uE000b", "\U00010000b", "a\uFF5E", "a\U0001F409",
		"\x00\x00", "\x00a", "a\x00", "a\x00\x00", "\x01", "a/b/c", "a/b", "a//b", "/a", "a/",
		"e\u0301\u0301", "\u200b", "\u202e", "\ufeff", "2026-01-02T03:04:05.678Z", "well:117/reading",
		strings.Repeat("\x00", longestName), strings.Repeat("/", longestName), strings.Repeat("z", longestName),
		strings.Repeat("z", longestName-1), strings.Repeat("z", longestName-1) + "/", strings.Repeat(".", longestName),
		strings.Repeat("_", longestName), strings.Repeat("\U0001F409", longestName/4), strings.Repeat("\u07ff", longestName/2),
	}
	for _, n := range hostileNames {
		if len(n) <= longestName {
			names = append(names, n)
		}
	}
	slices.Sort(names) // Go compares bytes
	return slices.Compact(names)
}

var docsNameTests = map[string]func(*docsFixture){
	"Names/IDsInTheOrderOfTheirBytes": func(f *docsFixture) {
		names := docNames()
		writes := make([]store.Write, len(names))
		for i, n := range names {
			writes[i] = f.create(n)
			writes[i].Doc.Order = 1 // equal orders, so the id decides
		}
		docs := make([]*store.Doc, len(names))
		for _, i := range sample(len(names), len(names)) {
			docs[i] = f.commit(writes[i])[0]
		}
		requireDocs(f, docs, f.get(names...))
		for _, byOrder := range []bool{false, true} {
			require.Equal(f, names, f.list(byOrder, false, 7))
			require.Equal(f, reversed(names), f.list(byOrder, true, 7))
		}
		for i, d := range docs {
			f.conflict(f.create(d.ID))
			f.commit(f.remove(d.ID, d.Rev))
			requireDocs(f, []*store.Doc{nil}, f.get(d.ID))
			require.Equal(f, len(docs)-i-1, f.count(f.col, 10_000))
		}
	},

	"Names/Scopes": func(f *docsFixture) {
		id := "doc of " + f.col.Scope // other tests may use the same scopes, but not this id
		var writes []store.Write
		for _, scope := range append(docNames(), "") {
			for _, kind := range []string{"records", "runs"} {
				w := in(store.Collection{Kind: kind, Scope: scope}, f.create(id))
				w.Doc.Body = []byte(kind + " of " + scope)
				writes = append(writes, w)
			}
		}
		docs := f.commit(writes...)
		for i, w := range writes {
			requireDocs(f, docs[i:i+1], f.getIn(w.Collection, id))
			listed, err := f.s.List(f.ctx, store.Listing{Collection: w.Collection, After: store.Position{ID: id[:len(id)-1]}, Limit: 1})
			require.NoError(f, err)
			requireDocs(f, docs[i:i+1], pointers(listed))
		}
		for i, w := range writes {
			f.commit(in(w.Collection, f.remove(id, docs[i].Rev)))
			requireDocs(f, []*store.Doc{nil}, f.getIn(w.Collection, id))
			if i+1 < len(writes) {
				requireDocs(f, docs[i+1:i+2], f.getIn(writes[i+1].Collection, id))
			}
		}
	},

	// The boundary between scope and id counts.
	"Names/Pairs": func(f *docsFixture) {
		pairs := [][2]string{{"a", "b/c"}, {"a/b", "c"}, {"a/", "b/c"}, {"ab", "c"}, {"a", "bc"}, {"", "a"}}
		var writes []store.Write
		for _, p := range pairs {
			writes = append(writes, in(store.Collection{Kind: "records", Scope: f.col.Scope + p[0]}, f.create(p[1])))
		}
		for i, d := range f.commit(writes...) {
			requireDocs(f, []*store.Doc{d}, f.getIn(writes[i].Collection, d.ID))
		}
		require.Equal(f, 2, f.count(store.Collection{Kind: "records", Scope: f.col.Scope + "a"}, 10))
	},
}

package storetest

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var docsModelTests = map[string]func(*docsFixture){
	// Random commits have the same result in the store and on a map.
	"Model": func(f *docsFixture) {
		rapid.Check(f.T, func(t *rapid.T) {
			scope := f.col.Scope + "/" + event.RandomID()
			m := &docsModel{f: f, docs: map[docName]store.Doc{}, deleted: map[docName]string{}, revs: []string{""}, collections: []store.Collection{
				{Kind: "records", Scope: scope}, {Kind: "records", Scope: scope + "/"}, {Kind: "runs", Scope: scope},
			}}
			for range rapid.IntRange(1, 8).Draw(t, "commits") {
				m.commit(t)
			}
			for _, c := range m.collections {
				m.checkGet(t, c)
			}
			m.checkList(t, rapid.SampledFrom(m.collections).Draw(t, "listed"))
		})
	},
}

var modelIDs = []string{"a", "b", "a/b", "__a__", "\U0001F409", "\uFF5E", "\x00"}

type docName struct {
	store.Collection
	id string
}

// docsModel holds the documents that the store should hold.
type docsModel struct {
	f           *docsFixture
	collections []store.Collection
	docs        map[docName]store.Doc
	revs        []string // all revisions so far

	// deleted has the revision of the commit that deleted a document. The Firestore emulator
	// takes it for one of the missing document, although no document ever had it.
	deleted map[docName]string
}

func (m *docsModel) commit(t *rapid.T) {
	var writes []store.Write
	conflict := false
	names := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) docName {
		return docName{rapid.SampledFrom(m.collections).Draw(t, "collection"), rapid.SampledFrom(modelIDs).Draw(t, "id")}
	}), 1, 5, rapid.ID[docName]).Draw(t, "names")
	for _, n := range names {
		there, exists := m.docs[n]
		w := store.Write{Collection: n.Collection, Doc: store.Doc{ID: n.id, Rev: there.Rev}}
		w.Any = rapid.IntRange(0, 3).Draw(t, "any") == 0
		w.Delete = rapid.IntRange(0, 3).Draw(t, "delete") == 0
		if rapid.IntRange(0, 9).Draw(t, "wrong") == 0 {
			w.Doc.Rev = rapid.SampledFrom(m.revs).Draw(t, "rev")
			if !exists && w.Doc.Rev == m.deleted[n] {
				w.Doc.Rev = ""
			}
		}
		if w.Delete && !w.Any && !exists && w.Doc.Rev == "" {
			w.Any = true
		}
		if !w.Delete {
			w.Doc.Body = rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "body")
			w.Doc.Order = rapid.Int64Range(0, 3).Draw(t, "order")
			if rapid.Bool().Draw(t, "expires") {
				w.Doc.ExpireAt = m.f.now.Add(time.Hour + time.Duration(rapid.IntRange(0, 9).Draw(t, "expireAt"))*time.Microsecond)
			}
		}
		conflict = conflict || !w.Any && w.Doc.Rev != there.Rev
		writes = append(writes, w)
	}
	revs, err := m.f.s.Commit(m.f.ctx, writes)
	if conflict {
		require.True(t, errors.Is(err, store.ErrConflict), "%v", err)
		return
	}
	require.NoError(t, err)
	require.Len(t, revs, len(writes))
	for i, w := range writes {
		n := docName{w.Collection, w.Doc.ID}
		if w.Delete {
			require.Empty(t, revs[i])
			delete(m.docs, n)
			m.deleted[n] = slices.Max(revs) // a deletion's own is ""
			continue
		}
		require.NotEmpty(t, revs[i])
		require.NotEqual(t, m.docs[n].Rev, revs[i])
		w.Doc.Rev = revs[i]
		m.docs[n] = w.Doc
		m.revs = append(m.revs, revs[i])
	}
}

// checkGet compares all documents of a collection.
func (m *docsModel) checkGet(t *rapid.T, c store.Collection) {
	want := make([]*store.Doc, len(modelIDs))
	for i, id := range modelIDs {
		if d, ok := m.docs[docName{c, id}]; ok {
			want[i] = &d
		}
	}
	got, err := m.f.s.Get(m.f.ctx, c, modelIDs)
	require.NoError(t, err)
	requireDocs(t, want, got)
}

// checkList compares the number of documents, and a part of a listing.
func (m *docsModel) checkList(t *rapid.T, c store.Collection) {
	var byID, byOrder []*store.Doc
	for n, d := range m.docs {
		if n.Collection != c {
			continue
		}
		byID = append(byID, &d)
		if d.Order > 0 {
			byOrder = append(byOrder, &d)
		}
	}
	n, err := m.f.s.CountDocs(m.f.ctx, c, 100)
	require.NoError(t, err)
	require.Equal(t, len(byID), n)

	compare := func(a, b *store.Doc) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(byID, compare)
	slices.SortFunc(byOrder, func(a, b *store.Doc) int { return cmp.Or(cmp.Compare(a.Order, b.Order), compare(a, b)) })
	l := store.Listing{Collection: c, ByOrder: rapid.Bool().Draw(t, "by order"), Descending: rapid.Bool().Draw(t, "descending")}
	all := byID
	if l.ByOrder {
		all = byOrder
	}
	if l.Descending {
		slices.Reverse(all)
	}
	if len(all) > 0 && rapid.Bool().Draw(t, "from the middle") {
		i := rapid.IntRange(0, len(all)-1).Draw(t, "after")
		l.After = store.Position{ID: all[i].ID}
		if l.ByOrder {
			l.After.Order = all[i].Order
		}
		all = all[i+1:]
	}
	l.Limit = rapid.IntRange(1, 10).Draw(t, "limit")
	listed, err := m.f.s.List(m.f.ctx, l)
	require.NoError(t, err)
	requireDocs(t, all[:min(l.Limit, len(all))], pointers(listed))
}

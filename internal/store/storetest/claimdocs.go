package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// The documents of a claim are stored exactly if the claim is.
var claimDocsTests = map[string]func(*fixture){
	"ClaimDocs/AreStoredWithTheClaim": func(f *fixture) {
		docs, col := f.docs()
		ps := f.put("a", 2)
		c := f.claim("a", ps...)
		for i := range store.MaxClaimDocs {
			c.Docs = append(c.Docs, store.Write{Any: true, Collection: col, Doc: store.Doc{
				ID: event.RandomID(), Body: []byte(`{"n":1}`), Order: int64(i + 1), ExpireAt: f.at(1000),
			}})
		}
		for range 2 { // a call whose answer was lost is repeated
			require.NoError(f, f.s.Claim(f.ctx, c, []store.Taken{f.take("a", ps...)}))
		}
		list, err := docs.List(f.ctx, store.Listing{Collection: col, ByOrder: true, Limit: 10})
		require.NoError(f, err)
		require.Len(f, list, len(c.Docs))
		for i, d := range list {
			require.NotEmpty(f, d.Rev)
			d.Rev = ""
			require.Equal(f, c.Docs[i].Doc, d)
		}
		got := f.outbox(c)
		require.Empty(f, got.Docs)
		c.Docs = nil
		requireClaim(f, c, got)
		last := list[len(list)-1] // its revision is one like any other
		_, err = docs.Commit(f.ctx, []store.Write{{Collection: col, Doc: store.Doc{ID: last.ID, Body: []byte("x"), Rev: last.Rev}}})
		require.NoError(f, err)
		_, err = docs.Commit(f.ctx, []store.Write{{Collection: col, Delete: true, Doc: store.Doc{ID: last.ID, Rev: last.Rev}}})
		require.ErrorIs(f, err, store.ErrConflict)
	},

	"ClaimDocs/AreNotStoredWithoutTheClaim": func(f *fixture) {
		docs, col := f.docs()
		ps := f.put("a", 2)
		first := f.claim("a", ps[0])
		require.NoError(f, f.s.Claim(f.ctx, first, []store.Taken{f.take("a", ps[0])}))
		late := f.claim("a", ps...)
		late.Docs = []store.Write{{Any: true, Collection: col, Doc: store.Doc{ID: "late", Body: []byte("{}")}}}
		require.ErrorIs(f, f.s.Claim(f.ctx, late, []store.Taken{f.take("a", ps...)}), store.ErrConflict)
		same := f.claim("a", ps[1])
		same.ID, same.Docs = first.ID, late.Docs
		require.ErrorIs(f, f.s.Claim(f.ctx, same, []store.Taken{f.take("a", ps[1])}), store.ErrConflict)
		got, err := docs.Get(f.ctx, col, []string{"late"})
		require.NoError(f, err)
		require.Nil(f, got[0])
	},

	"ClaimDocs/AreStoredWithTheLastPart": func(f *fixture) {
		docs, col := f.docs()
		c := next(f.gathering())
		require.NoError(f, f.s.Gather(f.ctx, c, store.Part{}))
		last := whole(f, c)
		last.Docs = []store.Write{{Any: true, Collection: col, Doc: store.Doc{ID: "alert", Body: []byte("{}")}}}
		late := last
		late.Owner, late.Docs = event.RandomID(), []store.Write{{Any: true, Collection: col, Doc: store.Doc{ID: "late", Body: []byte("{}")}}}
		for range 2 { // a call whose answer was lost is repeated
			require.NoError(f, f.s.Gather(f.ctx, last, store.Part{}))
		}
		require.ErrorIs(f, f.s.Gather(f.ctx, late, store.Part{}), store.ErrConflict)
		got, err := docs.Get(f.ctx, col, []string{"alert", "late"})
		require.NoError(f, err)
		require.NotNil(f, got[0])
		require.Nil(f, got[1])
		require.Empty(f, f.byID(last).Docs)
	},

	"ClaimDocs/ReplaceWhatIsThere": func(f *fixture) {
		docs, col := f.docs()
		_, err := docs.Commit(f.ctx, []store.Write{{Collection: col, Doc: store.Doc{ID: "x", Body: []byte("old"), Order: 9}}})
		require.NoError(f, err)
		c := f.claim("a")
		c.Docs = []store.Write{{Any: true, Collection: col, Doc: store.Doc{ID: "x", Body: []byte("new")}}}
		require.NoError(f, f.s.Claim(f.ctx, c, nil))
		got, err := docs.Get(f.ctx, col, []string{"x"})
		require.NoError(f, err)
		require.Equal(f, "new", string(got[0].Body))
		require.Zero(f, got[0].Order)
	},
}

// docs returns the documents of the store, and a collection that no other test uses.
func (f *fixture) docs() (store.Docs, store.Collection) {
	docs, ok := f.s.(store.Docs)
	if !ok {
		f.Skip("the store under test keeps no documents")
	}
	return docs, store.Collection{Kind: "alerts", Scope: f.service}
}

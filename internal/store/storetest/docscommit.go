package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

var docsCommitTests = map[string]func(*docsFixture){
	"Get/InTheOrderAsked": func(f *docsFixture) {
		docs := f.commit(f.create("a"), f.create("b"), f.create("c"))
		requireDocs(f, []*store.Doc{docs[2], nil, docs[0], docs[1], docs[0], nil},
			f.get("c", "none", "a", "b", "a", "none"))
		require.Empty(f, f.get())
		requireDocs(f, []*store.Doc{nil, nil}, f.getIn(store.Collection{Kind: "records", Scope: f.col.Scope + "?"}, "a", "b"))
	},

	// Ids may come from outside, so Get must answer for those that no document can have.
	"Get/ImpossibleIDs": func(f *docsFixture) {
		docs := f.commit(f.create("a"))
		requireDocs(f, []*store.Doc{nil, docs[0], nil}, f.get("", "a", strings.Repeat("/", 3*longestName)))
	},

	"Get/Many": func(f *docsFixture) {
		const n = 1200
		writes := make([]store.Write, n)
		ids := make([]string, n)
		for i := range n {
			ids[i] = fmt.Sprintf("%d", i)
			writes[i] = f.create(ids[i])
		}
		requireDocs(f, f.commit(writes...), f.get(ids...))
		require.Equal(f, n, f.count(f.col, 10*n))
	},

	"Commit/Nothing": func(f *docsFixture) {
		revs, err := f.s.Commit(f.ctx, nil)
		require.NoError(f, err)
		require.Empty(f, revs)
	},

	"Commit/AllFields": func(f *docsFixture) {
		w := f.create("a")
		w.Doc.Order, w.Doc.ExpireAt = 1<<62+1, f.now.Add(time.Hour+time.Microsecond)
		requireDocs(f, f.commit(w), f.get("a"))

		w = f.replace("a", f.get("a")[0].Rev, "") // every field is replaced
		requireDocs(f, f.commit(w), f.get("a"))

		past := f.put("a", "x") // an expired document may still be read
		past.Doc.ExpireAt = f.now.Add(-time.Hour)
		f.commit(past)
		past.Any, past.Doc.ExpireAt, past.Doc.Order = true, time.Time{}, 7
		requireDocs(f, f.commit(past), f.get("a"))
	},

	"Commit/CreateOnlyIfAbsent": func(f *docsFixture) {
		there := f.commit(f.create("a"))
		f.conflict(f.create("b"), f.create("a"), f.create("c"))
		f.conflict(in(f.other, f.create("x")), f.put("y", ""), f.create("a"))
		requireDocs(f, []*store.Doc{there[0], nil, nil, nil}, f.get("a", "b", "c", "y"))
		requireDocs(f, []*store.Doc{nil}, f.getIn(f.other, "x"))
	},

	"Commit/ReplaceByRevision": func(f *docsFixture) {
		old := f.commit(f.create("a"), f.create("b"))
		now := f.commit(f.replace("a", old[0].Rev, "two"))
		requireDocs(f, []*store.Doc{now[0], old[1]}, f.get("a", "b"))

		f.conflict(f.replace("a", old[0].Rev, "late")) // stale
		f.conflict(f.replace("b", old[1].Rev, "first"), f.replace("a", old[0].Rev, "late"))
		f.conflict(f.replace("none", old[1].Rev, "")) // absent
		f.conflict(f.replace("b", "no revision of ours!", ""))
		later := f.commit(f.put("c", ""))
		f.conflict(f.replace("b", later[0].Rev, ""), f.create("none")) // another document's revision
		requireDocs(f, []*store.Doc{now[0], old[1], nil}, f.get("a", "b", "none"))
	},

	"Commit/DeleteByRevision": func(f *docsFixture) {
		docs := f.commit(f.create("a"), f.create("b"), f.create("c"))
		f.conflict(f.remove("b", docs[1].Rev), f.remove("none", docs[2].Rev))
		f.conflict(f.remove("b", docs[1].Rev), f.remove("c", "")) // expected to be absent, but exists
		changed := f.commit(f.put("a", "changed"))
		f.conflict(f.remove("b", docs[1].Rev), f.remove("a", docs[0].Rev))
		requireDocs(f, []*store.Doc{changed[0], docs[1], docs[2]}, f.get("a", "b", "c"))

		f.commit(f.remove("a", changed[0].Rev), f.remove("c", docs[2].Rev))
		requireDocs(f, []*store.Doc{nil, docs[1], nil}, f.get("a", "b", "c"))
		f.conflict(f.remove("c", docs[2].Rev)) // deleted already
	},

	"Commit/Any": func(f *docsFixture) {
		first := f.commit(f.put("a", "one"))
		w := f.put("a", "two")
		w.Doc.Rev = "whatever"
		second := f.commit(w)
		require.NotEqual(f, first[0].Rev, second[0].Rev)
		requireDocs(f, second, f.get("a"))

		gone := f.remove("a", "")
		gone.Any = true
		absent := gone
		absent.Doc.ID = "none"
		f.commit(gone, absent)
		f.commit(gone)
		requireDocs(f, []*store.Doc{nil, nil}, f.get("a", "none"))
	},

	// A write gets a new revision even if it changes nothing, and after a deletion.
	"Commit/EveryWriteHasANewRevision": func(f *docsFixture) {
		seen := map[string]bool{}
		for range 5 {
			for _, w := range []store.Write{f.put("a", "same"), f.put("a", "same"), f.replace("a", "", "same")} {
				if !w.Any {
					w.Doc.Rev = f.get("a")[0].Rev
				}
				d := f.commit(w)[0]
				require.False(f, seen[d.Rev], "revision twice")
				seen[d.Rev] = true
				requireDocs(f, []*store.Doc{d}, f.get("a"))
			}
			f.commit(f.remove("a", f.get("a")[0].Rev))
		}
	},

	"Commit/OldRevisionAfterRecreation": func(f *docsFixture) {
		old := f.commit(f.create("a"))[0]
		f.commit(f.remove("a", old.Rev))
		f.conflict(f.replace("a", old.Rev, "x"))
		now := f.commit(f.create("a"))
		f.conflict(f.replace("a", old.Rev, "x"))
		f.conflict(f.remove("a", old.Rev))
		requireDocs(f, now, f.get("a"))
	},

	"Commit/RevisionsInTheOrderOfTheWrites": func(f *docsFixture) {
		old := f.commit(f.create("z"), f.create("m"))
		docs := f.commit(f.create("c"), f.remove("m", old[1].Rev), in(f.other, f.create("c")), f.replace("z", old[0].Rev, "2"), f.put("a", "a"))
		requireDocs(f, []*store.Doc{docs[0], nil, docs[3], docs[4]}, f.get("c", "m", "z", "a"))
		requireDocs(f, docs[2:3], f.getIn(f.other, "c"))
	},

	"Commit/AtomicOverCollections": func(f *docsFixture) {
		third := store.Collection{Kind: "records", Scope: f.col.Scope + "/more"}
		docs := f.commit(f.create("a"), in(f.other, f.create("a")), in(third, f.create("a")))
		bad := f.replace("a", docs[1].Rev+"x", "no")
		f.conflict(f.replace("a", docs[0].Rev, "2"), in(third, f.remove("a", docs[2].Rev)), in(third, f.create("b")), in(f.other, bad))
		requireDocs(f, docs[:1], f.get("a"))
		requireDocs(f, docs[1:2], f.getIn(f.other, "a"))
		requireDocs(f, []*store.Doc{docs[2], nil}, f.getIn(third, "a", "b"))
	},

	"Commit/NeedsAnID": func(f *docsFixture) {
		_, err := f.s.Commit(f.ctx, []store.Write{f.create("a"), f.create("")})
		require.Error(f, err)
		require.NotErrorIs(f, err, store.ErrConflict)
		requireDocs(f, []*store.Doc{nil}, f.get("a"))
	},

	"Context/Cancelled": func(f *docsFixture) {
		docs := f.commit(f.create("a"))
		ctx, cancel := context.WithCancel(f.ctx)
		cancel()
		for name, call := range map[string]func() error{
			"Get":       func() error { _, err := f.s.Get(ctx, f.col, []string{"a"}); return err },
			"Commit":    func() error { _, err := f.s.Commit(ctx, []store.Write{f.put("a", "x"), f.create("b")}); return err },
			"List":      func() error { _, err := f.s.List(ctx, store.Listing{Collection: f.col, Limit: 1}); return err },
			"CountDocs": func() error { _, err := f.s.CountDocs(ctx, f.col, 1); return err },
		} {
			err := call()
			require.Error(f, err, name)
			require.NotErrorIs(f, err, store.ErrConflict, name)
		}
		requireDocs(f, []*store.Doc{docs[0], nil}, f.get("a", "b"))
	},
}

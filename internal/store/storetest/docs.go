package storetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// DocsProbe describes the abilities of the [store.Docs] under test. Its zero value is valid.
type DocsProbe struct {
	// InjectLostAnswer makes the next commit in collections of the scope succeed, while s
	// itself gets an error instead of the answer. Optional. If open returned a store for
	// this test alone, the suite does not use it for anything else meanwhile.
	InjectLostAnswer func(t *testing.T, s store.Docs, scope string)
}

// RunDocs checks everything that [store.Docs] promises. open returns a store, shared or
// fresh, and closes it with t.Cleanup if needed.
func RunDocs(t *testing.T, open func(t *testing.T) store.Docs, probe DocsProbe) {
	t.Helper()
	for _, topic := range []map[string]func(*docsFixture){
		docsCommitTests, docsContentionTests, docsListTests, docsNameTests, docsBodyTests, docsLostTests, docsModelTests,
	} {
		for name, test := range topic {
			t.Run("Docs/"+name, func(t *testing.T) {
				t.Parallel()
				test(newDocsFixture(t, open(t), probe))
			})
		}
	}
}

// docsFixture has a store, and collections that no other test uses.
type docsFixture struct {
	*testing.T
	ctx   context.Context
	s     store.Docs
	probe DocsProbe
	col   store.Collection
	other store.Collection // of another kind, with the same scope
	now   time.Time        // whole microseconds
}

func newDocsFixture(t *testing.T, s store.Docs, probe DocsProbe) *docsFixture {
	t.Helper()
	scope := "org/" + event.RandomID()[:12]
	return &docsFixture{
		T: t, ctx: t.Context(), s: s, probe: probe,
		col:   store.Collection{Kind: "records", Scope: scope},
		other: store.Collection{Kind: "runs", Scope: scope},
		now:   time.Now().UTC().Truncate(time.Microsecond),
	}
}

// create returns the write of a document that must be absent.
func (f *docsFixture) create(id string) store.Write {
	return store.Write{Collection: f.col, Doc: store.Doc{ID: id, Body: []byte("body of " + id)}}
}

// put returns the unconditional write of a document.
func (f *docsFixture) put(id, body string) store.Write {
	return store.Write{Collection: f.col, Doc: store.Doc{ID: id, Body: []byte(body)}, Any: true}
}

// replace returns the write of a document that must have the revision.
func (f *docsFixture) replace(id, rev, body string) store.Write {
	return store.Write{Collection: f.col, Doc: store.Doc{ID: id, Body: []byte(body), Rev: rev}}
}

func (f *docsFixture) remove(id, rev string) store.Write {
	return store.Write{Collection: f.col, Doc: store.Doc{ID: id, Rev: rev}, Delete: true}
}

// in returns the write w in another collection.
func in(c store.Collection, w store.Write) store.Write {
	w.Collection = c
	return w
}

// commit makes the writes, in as many commits as the limits demand, and returns the
// documents as they are stored, and nil for each deletion.
func (f *docsFixture) commit(writes ...store.Write) []*store.Doc {
	f.Helper()
	limits := f.s.Limits()
	docs := make([]*store.Doc, 0, len(writes))
	for len(writes) > 0 {
		n, size := 0, 0
		for n < len(writes) && n < limits.MaxCommit && size+len(writes[n].Doc.Body) <= limits.MaxCommitBytes {
			size += len(writes[n].Doc.Body)
			n++
		}
		require.NotZero(f, n, "a document over the limit of a commit")
		revs, err := f.s.Commit(f.ctx, writes[:n])
		require.NoError(f, err)
		require.Len(f, revs, n)
		for i, w := range writes[:n] {
			if w.Delete {
				require.Empty(f, revs[i])
				docs = append(docs, nil)
				continue
			}
			require.NotEmpty(f, revs[i])
			require.NotEqual(f, w.Doc.Rev, revs[i])
			d := w.Doc
			d.Rev = revs[i]
			docs = append(docs, &d)
		}
		writes = writes[n:]
	}
	return docs
}

// conflict requires that the commit is refused as a whole.
func (f *docsFixture) conflict(writes ...store.Write) {
	f.Helper()
	revs, err := f.s.Commit(f.ctx, writes)
	require.ErrorIs(f, err, store.ErrConflict)
	require.Empty(f, revs)
}

// tooLarge requires that the commit is refused with fault.TooLarge.
func (f *docsFixture) tooLarge(writes ...store.Write) {
	f.Helper()
	_, err := f.s.Commit(f.ctx, writes)
	require.Equal(f, fault.TooLarge, fault.CodeOf(err), "%v", err)
}

// get returns documents of f.col.
func (f *docsFixture) get(ids ...string) []*store.Doc {
	f.Helper()
	return f.getIn(f.col, ids...)
}

func (f *docsFixture) getIn(c store.Collection, ids ...string) []*store.Doc {
	f.Helper()
	docs, err := f.s.Get(f.ctx, c, ids)
	require.NoError(f, err)
	require.Len(f, docs, len(ids))
	return docs
}

// list returns the ids of all documents in f.col, read in pages.
func (f *docsFixture) list(byOrder, descending bool, page int) []string {
	f.Helper()
	ids := []string{}
	l := store.Listing{Collection: f.col, ByOrder: byOrder, Descending: descending, Limit: page}
	for {
		docs, err := f.s.List(f.ctx, l)
		require.NoError(f, err)
		require.LessOrEqual(f, len(docs), page)
		if len(docs) == 0 {
			return ids
		}
		for _, d := range docs {
			ids = append(ids, d.ID)
		}
		last := docs[len(docs)-1]
		l.After = store.Position{ID: last.ID}
		if byOrder {
			l.After.Order = last.Order
		}
	}
}

func (f *docsFixture) count(c store.Collection, limit int) int {
	f.Helper()
	n, err := f.s.CountDocs(f.ctx, c, limit)
	require.NoError(f, err)
	return n
}

// requireDocs compares documents. nil stands for an absent one.
func requireDocs(t require.TestingT, want, got []*store.Doc) {
	require.Len(t, got, len(want))
	for i := range want {
		requireDoc(t, want[i], got[i], fmt.Sprintf("document %d", i))
	}
}

func requireDoc(t require.TestingT, want, got *store.Doc, what string) {
	if want == nil {
		require.Nil(t, got, what)
		return
	}
	require.NotNil(t, got, "%s: %.40q", what, want.ID)
	require.Equal(t, want.ID, got.ID, what)
	require.Equal(t, want.Order, got.Order, what)
	require.Equal(t, want.Rev, got.Rev, what)
	require.True(t, want.ExpireAt.Equal(got.ExpireAt), "%s: %v, %v", what, want.ExpireAt, got.ExpireAt)
	require.True(t, bytes.Equal(want.Body, got.Body), "%s: body of %d bytes, want %d", what, len(got.Body), len(want.Body))
}

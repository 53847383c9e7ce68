package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

var docsLostTests = map[string]func(*docsFixture){
	"Lost/Create": func(f *docsFixture) {
		f.loseAnswer()
		docs := f.commit(f.create("a"), f.put("b", "x"), in(f.other, f.create("c")))
		requireDocs(f, docs[:2], f.get("a", "b"))
		requireDocs(f, docs[2:], f.getIn(f.other, "c"))
		f.commit(f.replace("b", docs[1].Rev, "the revision holds"), in(f.other, f.remove("c", docs[2].Rev)))
	},

	"Lost/Replace": func(f *docsFixture) {
		old := f.commit(f.create("a"), f.create("b"))
		f.loseAnswer()
		docs := f.commit(f.remove("b", old[1].Rev), f.replace("a", old[0].Rev, "two"))
		requireDocs(f, []*store.Doc{docs[1], nil}, f.get("a", "b"))
		f.conflict(f.replace("a", old[0].Rev, "three"))
	},

	"Lost/Any": func(f *docsFixture) {
		f.commit(f.create("a"))
		f.loseAnswer()
		docs := f.commit(f.put("a", "two"))
		requireDocs(f, docs, f.get("a"))
	},

	// After a deletion there is no document whose revision could identify the commit.
	"Lost/Delete": func(f *docsFixture) {
		docs := f.commit(f.create("a"), f.create("b"))
		f.loseAnswer()
		f.commit(f.remove("a", docs[0].Rev))
		requireDocs(f, []*store.Doc{nil, docs[1]}, f.get("a", "b"))
		f.conflict(f.remove("a", docs[0].Rev)) // this deletion is not our own
	},

	// A lost answer of an earlier commit does not turn a conflict into a success.
	"Lost/Conflict": func(f *docsFixture) {
		docs := f.commit(f.create("a"))
		f.loseAnswer()
		f.commit(f.put("b", ""))
		f.conflict(f.create("a"), f.create("c"))
		requireDocs(f, []*store.Doc{docs[0], nil}, f.get("a", "c"))
	},
}

// loseAnswer loses the answer to the next commit.
func (f *docsFixture) loseAnswer() {
	f.Helper()
	if f.probe.InjectLostAnswer == nil {
		f.Skip("the probe cannot lose an answer")
	}
	f.probe.InjectLostAnswer(f.T, f.s, f.col.Scope)
	require.NoError(f, f.ctx.Err())
}

package storetest

import (
	"fmt"
	"strconv"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

var docsContentionTests = map[string]func(*docsFixture){
	"Contention/OneCreates": func(f *docsFixture) {
		for round := range 4 {
			id := fmt.Sprintf("doc %d", round)
			f.contend(func(i int) []store.Write {
				w := f.create(id)
				w.Doc.Body = []byte(strconv.Itoa(i))
				return []store.Write{in(f.other, f.create(fmt.Sprintf("%s by %d", id, i))), w}
			}, func(won int) {
				require.Equal(f, strconv.Itoa(won), string(f.get(id)[0].Body))
			})
			require.Equal(f, round+1, f.count(f.other, 1000)) // the losers wrote nothing
		}
	},

	"Contention/OneReplaces": func(f *docsFixture) {
		rev := f.commit(f.create("a"))[0].Rev
		for range 4 {
			f.contend(func(i int) []store.Write {
				return []store.Write{f.replace("a", rev, strconv.Itoa(i))}
			}, func(won int) {
				d := f.get("a")[0]
				require.Equal(f, strconv.Itoa(won), string(d.Body))
				rev = d.Rev
			})
		}
	},

	"Contention/OneDeletes": func(f *docsFixture) {
		for range 4 {
			rev := f.commit(f.create("a"))[0].Rev
			f.contend(func(int) []store.Write {
				return []store.Write{f.remove("a", rev)}
			}, func(int) {
				requireDocs(f, []*store.Doc{nil}, f.get("a"))
			})
		}
	},

	// Unconditional writes cannot conflict, so none is refused.
	"Contention/AnyIsNeverRefused": func(f *docsFixture) {
		for _, err := range together(16, func(i int) error {
			_, err := f.s.Commit(f.ctx, []store.Write{f.put("a", strconv.Itoa(i)), f.put("b", strconv.Itoa(i))})
			return err
		}) {
			require.NoError(f, err)
		}
		docs := f.get("a", "b")
		require.Equal(f, docs[0].Body, docs[1].Body) // one commit wrote both
	},

	// Many writers read two counters and replace them by revision. No step is lost.
	"Contention/Counters": func(f *docsFixture) {
		const each, writers = 5, 6
		f.commit(f.put("a", "0"), f.put("b", "0"))
		errs := together(writers, func(int) error {
			for done := 0; done < each; {
				docs, err := f.s.Get(f.ctx, f.col, []string{"a", "b"})
				if err != nil {
					return err
				}
				var writes []store.Write
				for _, d := range docs {
					n, err := strconv.Atoi(string(d.Body))
					if err != nil {
						return err
					}
					writes = append(writes, f.replace(d.ID, d.Rev, strconv.Itoa(n+1)))
				}
				switch _, err := f.s.Commit(f.ctx, writes); {
				case err == nil:
					done++
				case !isConflict(err):
					return err
				}
			}
			return nil
		})
		for _, err := range errs {
			require.NoError(f, err)
		}
		for _, d := range f.get("a", "b") {
			require.Equal(f, strconv.Itoa(each*writers), string(d.Body))
		}
	},

	// A read that begins after a write returned sees that write.
	"Contention/ReadYourWrites": func(f *docsFixture) {
		for i, err := range together(8, func(i int) error {
			for j := range 8 {
				id := fmt.Sprintf("%d-%d", i, j)
				w := f.create(id)
				w.Doc.Order = int64(i*100 + j + 1)
				if _, err := f.s.Commit(f.ctx, []store.Write{w}); err != nil {
					return err
				}
				docs, err := f.s.Get(f.ctx, f.col, []string{id})
				if err != nil || docs[0] == nil {
					return fmt.Errorf("%s is not there: %w", id, err)
				}
				for _, l := range []store.Listing{
					{After: store.Position{ID: id[:len(id)-1]}},
					{ByOrder: true, After: store.Position{Order: w.Doc.Order - 1, ID: "~"}},
				} {
					l.Collection, l.Limit = f.col, 1
					listed, err := f.s.List(f.ctx, l)
					if err != nil || len(listed) != 1 || l.ByOrder && listed[0].ID != id {
						return fmt.Errorf("%s is not listed: %w", id, err)
					}
				}
			}
			return nil
		}) {
			require.NoError(f, err, "writer %d", i)
		}
		require.Equal(f, 64, f.count(f.col, 1000))
	},
}

// contend makes 16 commits at once, requires that exactly one succeeds, and calls check with
// its index.
func (f *docsFixture) contend(writes func(i int) []store.Write, check func(won int)) {
	f.Helper()
	errs := together(16, func(i int) error {
		_, err := f.s.Commit(f.ctx, writes(i))
		return err
	})
	won := -1
	for i, err := range errs {
		if err == nil {
			require.Negative(f, won, "two won")
			won = i
			continue
		}
		require.ErrorIs(f, err, store.ErrConflict)
	}
	require.GreaterOrEqual(f, won, 0, "no commit won")
	check(won)
}

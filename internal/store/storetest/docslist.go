package storetest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

var docsListTests = map[string]func(*docsFixture){
	"List/ByID": func(f *docsFixture) {
		want := f.numbered(23, func(int) int64 { return 0 })
		for _, page := range []int{1, 2, 3, 5, 22, 23, 24, 1000} {
			require.Equal(f, idsOf(want), f.list(false, false, page), "pages of %d", page)
			require.Equal(f, reversed(idsOf(want)), f.list(false, true, page), "pages of %d, descending", page)
		}
		docs, err := f.s.List(f.ctx, store.Listing{Collection: f.col, Limit: 100})
		require.NoError(f, err)
		requireDocs(f, want, pointers(docs)) // all of their fields
	},

	// A list of large documents ends early, and the next one continues there.
	"List/Bytes": func(f *docsFixture) {
		var writes []store.Write
		for i := range 7 {
			writes = append(writes, store.Write{Collection: f.col, Doc: store.Doc{ID: fmt.Sprint(i), Body: filler(1000), Order: int64(i + 1)}})
		}
		_, err := f.s.Commit(f.ctx, writes)
		require.NoError(f, err)
		for _, byOrder := range []bool{false, true} {
			for bytes, want := range map[int]int{1: 1, 1000: 1, 1001: 2, 2500: 3, 7000: 7, 0: 7, 100_000: 7} {
				l := store.Listing{Collection: f.col, ByOrder: byOrder, Limit: 100, Bytes: bytes}
				var ids []string
				for over := false; !over; {
					docs, err := f.s.List(f.ctx, l)
					require.NoError(f, err)
					require.LessOrEqual(f, len(docs), want)
					for _, d := range docs {
						ids = append(ids, d.ID)
						l.After = store.Position{Order: d.Order, ID: d.ID}
						if !byOrder {
							l.After.Order = 0
						}
					}
					over = l.Over(docs)
				}
				require.Equal(f, []string{"0", "1", "2", "3", "4", "5", "6"}, ids, "%d bytes", bytes)
			}
		}
	},

	// Four documents of each order, and four without one.
	"List/ByOrder": func(f *docsFixture) {
		want := f.numbered(40, func(i int) int64 { return int64(i * 7 % 40 / 4) })
		want = slices.DeleteFunc(want, func(d *store.Doc) bool { return d.Order == 0 })
		slices.SortFunc(want, func(a, b *store.Doc) int { return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.ID, b.ID)) })
		require.Len(f, want, 36)
		for _, page := range []int{1, 2, 3, 4, 5, 35, 36, 37, 1000} {
			require.Equal(f, idsOf(want), f.list(true, false, page), "pages of %d", page)
			require.Equal(f, reversed(idsOf(want)), f.list(true, true, page), "pages of %d, descending", page)
		}
		docs, err := f.s.List(f.ctx, store.Listing{Collection: f.col, ByOrder: true, Limit: 100})
		require.NoError(f, err)
		requireDocs(f, want, pointers(docs))
	},

	"List/OrderOfAnySize": func(f *docsFixture) {
		orders := []int64{1, 2, 1 << 31, 1<<53 - 1, 1 << 53, 1<<53 + 1, math.MaxInt64 - 1, math.MaxInt64}
		want := f.numbered(len(orders), func(i int) int64 { return orders[i] })
		for _, page := range []int{1, 3, 100} {
			require.Equal(f, idsOf(want), f.list(true, false, page))
			require.Equal(f, reversed(idsOf(want)), f.list(true, true, page))
		}
	},

	// A position need not belong to an existing document.
	"List/AfterAnyPosition": func(f *docsFixture) {
		f.numbered(4, func(i int) int64 { return int64(10 * (i/2 + 1)) }) // 000, 001 of 10; 002, 003 of 20
		for _, c := range []struct {
			byOrder, descending bool
			after               store.Position
			want                string
		}{
			{false, false, store.Position{ID: "000!"}, "001 002 003"},
			{false, false, store.Position{ID: "002"}, "003"},
			{false, false, store.Position{ID: "9/../x"}, ""},
			{false, false, store.Position{ID: "\x00"}, "000 001 002 003"},
			{false, true, store.Position{ID: "000!"}, "000"},
			{false, true, store.Position{ID: "000"}, ""},
			{false, true, store.Position{ID: "\U0001F409"}, "003 002 001 000"},
			{true, false, store.Position{Order: 10, ID: "000!"}, "001 002 003"},
			{true, false, store.Position{Order: 10, ID: "9/x"}, "002 003"},
			{true, false, store.Position{Order: 10}, "000 001 002 003"},
			{true, false, store.Position{Order: 20}, "002 003"},
			{true, false, store.Position{Order: 15, ID: "999"}, "002 003"},
			{true, false, store.Position{ID: "001"}, "000 001 002 003"},
			{true, false, store.Position{Order: 21, ID: "0"}, ""},
			{true, true, store.Position{Order: 20, ID: "003"}, "002 001 000"},
			{true, true, store.Position{Order: 20}, "001 000"},
			{true, true, store.Position{Order: 15, ID: "000"}, "001 000"},
			{true, true, store.Position{Order: 10, ID: "000!"}, "000"},
			{true, true, store.Position{Order: 10}, ""},
			{true, true, store.Position{Order: math.MaxInt64, ID: "x"}, "003 002 001 000"},
		} {
			docs, err := f.s.List(f.ctx, store.Listing{
				Collection: f.col, ByOrder: c.byOrder, Descending: c.descending, After: c.after, Limit: 10,
			})
			require.NoError(f, err)
			require.Equal(f, c.want, strings.Join(idsOf(pointers(docs)), " "), "%+v", c)
		}
	},

	"List/AChangedOrderMoves": func(f *docsFixture) {
		docs := f.numbered(3, func(i int) int64 { return int64(i + 1) })
		move := func(order int64) {
			w := f.put("001", "moved")
			w.Doc.Order = order
			f.commit(w)
		}
		for _, step := range []struct {
			order int64
			want  []string
		}{{9, []string{"000", "002", "001"}}, {0, []string{"000", "002"}}, {3, []string{"000", "001", "002"}}} {
			move(step.order)
			require.Equal(f, step.want, f.list(true, false, 2))
			require.Equal(f, []string{"000", "001", "002"}, f.list(false, false, 2))
		}
		w := f.replace("000", docs[0].Rev, "by revision")
		f.commit(w)
		require.Equal(f, []string{"001", "002"}, f.list(true, false, 2))
		f.commit(f.remove("002", docs[2].Rev))
		require.Equal(f, []string{"001"}, f.list(true, false, 2))
	},

	// Other documents appear, disappear and move while a reader pages. Those that stay are
	// listed once.
	"List/WhileOthersChange": func(f *docsFixture) {
		stay := idsOf(f.numbered(30, func(i int) int64 { return int64(i + 1) }))
		stop := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			for i := 0; ; i++ {
				w := f.put(fmt.Sprintf("%03d!", i%30), "comes")
				w.Doc.Order = int64(i*7%30 + 1)
				if w.Delete = i%3 == 2; w.Delete {
					w.Doc = store.Doc{ID: w.Doc.ID}
				}
				if _, err := f.s.Commit(f.ctx, []store.Write{w}); err != nil {
					done <- err
					return
				}
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
			}
		}()
		for _, byOrder := range []bool{false, true} {
			for _, descending := range []bool{false, true} {
				got := slices.DeleteFunc(f.list(byOrder, descending, 4), func(id string) bool { return strings.HasSuffix(id, "!") })
				if descending {
					got = reversed(got)
				}
				require.Equal(f, stay, got)
			}
		}
		close(stop)
		require.NoError(f, <-done)
	},

	"List/Nothing": func(f *docsFixture) {
		require.Empty(f, f.list(false, false, 10))
		require.Empty(f, f.list(true, true, 10))
		f.commit(in(f.other, f.create("a")))
		require.Empty(f, f.list(false, true, 10))
		require.Empty(f, f.list(true, false, 10))
	},

	"Count": func(f *docsFixture) {
		require.Zero(f, f.count(f.col, 10))
		docs := f.numbered(12, func(i int) int64 { return int64(i % 2) })
		f.commit(in(f.other, f.create("a")))
		for _, limit := range []int{1, 2, 11, 12, 13, 1_000_000} {
			require.Equal(f, min(12, limit), f.count(f.col, limit))
		}
		require.Equal(f, 1, f.count(f.other, 10))
		f.commit(f.remove(docs[0].ID, docs[0].Rev))
		require.Equal(f, 11, f.count(f.col, 100))
	},
}

// numbered stores n documents with the ids "000", "001" and so on.
func (f *docsFixture) numbered(n int, order func(i int) int64) []*store.Doc {
	f.Helper()
	writes := make([]store.Write, n)
	for i := range writes {
		writes[i] = f.create(fmt.Sprintf("%03d", i))
		writes[i].Doc.Order = order(i)
	}
	docs := make([]*store.Doc, n)
	for _, i := range sample(n, n) { // in random order
		docs[i] = f.commit(writes[i])[0]
	}
	return docs
}

func pointers(docs []store.Doc) []*store.Doc {
	out := make([]*store.Doc, len(docs))
	for i := range docs {
		out[i] = &docs[i]
	}
	return out
}

func idsOf(docs []*store.Doc) []string {
	ids := make([]string, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
	}
	return ids
}

func reversed(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

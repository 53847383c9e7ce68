package sourcetest

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fence/fencetest"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/sync/source"
)

// HTTP returns the HTTP client that sources get in a deployment, but one that may call
// this machine. A plain http.Client would not ask the fence before it sends a request.
func HTTP(t testing.TB) *http.Client {
	t.Helper()
	c, err := outbound.New(outbound.Options{AllowLoopback: true})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c.HTTP()
}

// fenceTests let another process take the run over at every point where a push asks the
// fence (docs/decisions/012).
var fenceTests = topic{
	"NothingIsWrittenAfterTheFenceTurned": func(f *fixture) {
		for n := range 100 {
			g := newFixture(f.T, f.h)
			s := g.open()
			a, b, c := g.created(s, 1), g.created(s, 2), g.created(s, 3)
			now := a
			now.Name = "another"
			changes := []source.Change{g.create(4), g.update(a, now), g.create(5)}
			if !g.h.NoDelete {
				changes = append(changes, g.remove(b))
			}
			var then map[string]Record
			x := fencetest.New(n, func() { then = g.place.Rows(g) })
			_, err := g.fenced(s, x, changes)
			if err == nil {
				require.Positive(f, x.Asked(), "the push asks no fence")
				require.GreaterOrEqual(f, n, 1)
				require.Equal(f, "another", g.place.Rows(g)[a.ID].Name)
				return
			}
			require.ErrorIs(f, err, fencetest.ErrTurned, "turned over after %d checks", n)
			require.Equal(f, then, g.place.Rows(g), "turned over after %d checks", n)
			require.Contains(f, then, c.ID)
		}
		require.Fail(f, "a push asks more often than the suite can follow")
	},
	"AFailedPushReportsWhatItWrote": func(f *fixture) {
		for n := range 100 {
			g := newFixture(f.T, f.h)
			s := g.open()
			var rows []Record
			var changes []source.Change
			for i := range 4 {
				was := g.created(s, i+1)
				now := was
				now.Name = "another"
				rows, changes = append(rows, was), append(changes, g.update(was, now))
			}
			results, err := g.fenced(s, fencetest.New(n, nil), changes)
			there := g.place.Rows(g)
			for i, r := range results {
				if r.Err != nil {
					require.ErrorIs(f, r.Err, source.ErrUnanswered)
				}
				require.Equal(f, r.Err == nil, there[rows[i].ID].Name == "another", "row %d, turned over after %d checks", i, n)
			}
			if err == nil {
				return
			}
		}
		require.Fail(f, "a push asks more often than the suite can follow")
	},
	"PushedAgainAfterTheFenceTurned": func(f *fixture) {
		s := f.open()
		was := f.created(s, 1)
		now := was
		now.Name = "another"
		changes := []source.Change{f.update(was, now)}
		for n := range 3 {
			_, _ = f.fenced(s, fencetest.New(n, nil), changes)
		}
		f.pushed(s, changes[0])
		require.Equal(f, plainRecord(now), plainRecord(f.onlyRow()))
	},
}

// fenced pushes under the fence. It returns a result for each change even if the push fails.
func (f *fixture) fenced(s source.Source, x *fencetest.Fence, changes []source.Change) ([]source.Result, error) {
	all := source.Unanswered(len(changes))
	done := all
	ctx := x.In(f.ctx)
	for batch := range slices.Chunk(changes, s.PushSize()) {
		results, err := s.Push(ctx, f.spec(), batch)
		if err == nil || results != nil {
			require.Len(f, results, len(batch))
			done = done[copy(done, results):]
		}
		if err != nil {
			return all, err
		}
		for _, r := range results {
			require.NoError(f, r.Err)
		}
	}
	return all, nil
}

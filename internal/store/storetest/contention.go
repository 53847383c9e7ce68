package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

var contentionTests = map[string]func(*fixture){
	"Contention/OneWinner": func(f *fixture) {
		for round := range 5 {
			ka, kb := fmt.Sprintf("a%d", round), fmt.Sprintf("b%d", round)
			a, b := f.put(ka, 3), f.put(kb, 2)
			claims := make([]store.Claim, 16)
			for i := range claims {
				claims[i] = f.claim(ka, a...)
				claims[i].ID, claims[i].EventID = claims[0].ID, claims[0].EventID
				if round%2 == 1 { // every claim has its own id, so only the pointers decide
					claims[i].ID, claims[i].EventID = event.RandomID(), event.RandomID()
				}
			}
			errs := together(len(claims), func(i int) error {
				return f.s.Claim(f.ctx, claims[i], []store.Taken{f.take(ka, a...), f.take(kb, b...)})
			})
			won := requireWinners(f, errs)
			require.Len(f, won, 1)
			requireClaim(f, claims[won[0]], f.outbox(claims[won[0]]))
			require.Empty(f, f.pending(ka))
			require.Empty(f, f.pending(kb))
			for i := range claims {
				if claims[i].EventID != claims[won[0]].EventID {
					_, err := f.s.ClaimByEventID(f.ctx, f.service, claims[i].EventID)
					require.ErrorIs(f, err, store.ErrNotFound)
				}
			}
		}
	},

	"Contention/OverlappingSets": func(f *fixture) {
		for round := range 4 {
			key := fmt.Sprintf("k%d", round)
			all := f.put(key, 12)
			sets := make([][]store.Pointer, 16)
			for i := range sets {
				for _, j := range sample(len(all), 4) {
					sets[i] = append(sets[i], all[j])
				}
				slices.SortFunc(sets[i], event.Ref.Compare)
			}
			errs := together(len(sets), func(i int) error {
				return f.s.Claim(f.ctx, f.claim(key, sets[i]...), []store.Taken{f.take(key, sets[i]...)})
			})
			won := requireWinners(f, errs)
			require.NotEmpty(f, won)
			takenBy := map[string]int{}
			for _, i := range won {
				for _, p := range sets[i] {
					require.NotContains(f, takenBy, p.ID, "in two claims")
					takenBy[p.ID] = i
				}
			}
			left := slices.DeleteFunc(slices.Clone(all), func(p store.Pointer) bool { _, ok := takenBy[p.ID]; return ok })
			requireRefs(f, left, f.pending(key))
		}
	},

	// Events are appended while claims are made. None is lost, and none is taken twice.
	"Contention/AppendsMeanwhile": func(f *fixture) {
		claimed := make([][]store.Pointer, 4)
		failed := together(8, func(i int) error {
			for j := range 12 {
				if i >= 4 {
					if r := f.s.Append(f.ctx, []store.Append{f.request("a", f.at(100*i+j))})[0]; r.Err != nil {
						return r.Err
					}
					continue
				}
				ps, err := f.s.Pending(f.ctx, f.ep("a"), f.at(-1), 3)
				if err != nil {
					return err
				}
				switch err := f.s.Claim(f.ctx, f.claim("a", ps...), []store.Taken{f.take("a", ps...)}); {
				case err == nil:
					claimed[i] = append(claimed[i], ps...)
				case !isConflict(err):
					return err
				}
			}
			return nil
		})
		for _, err := range failed {
			require.NoError(f, err)
		}
		seen := map[string]bool{}
		for _, p := range append(slices.Concat(claimed...), f.pending("a")...) {
			require.False(f, seen[p.ID], "twice")
			seen[p.ID] = true
		}
		require.Len(f, seen, 48)
	},
}

func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

// requireWinners returns the indexes of the nil errors, and requires that all others are
// ErrConflict.
func requireWinners(f *fixture, errs []error) []int {
	f.Helper()
	var won []int
	for i, err := range errs {
		if err == nil {
			won = append(won, i)
			continue
		}
		require.ErrorIs(f, err, store.ErrConflict)
	}
	return won
}

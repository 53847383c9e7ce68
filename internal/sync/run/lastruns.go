package run

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// atOnce bounds how many runs are read at the same time.
const atOnce = 8

// LastRuns returns the latest run of each of the syncs, in the order of the ids, and nil for a
// sync that never ran, or whose run is not kept any more. Each run is one read of the store.
func (s *Service) LastRuns(ctx context.Context, ids []string) ([]*Run, error) {
	out := make([]*Run, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	docs, err := s.docs.Get(ctx, states, ids)
	if err != nil {
		return nil, err
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(atOnce)
	for i, d := range docs {
		if d == nil {
			continue
		}
		st, err := parseState(*d)
		if err != nil {
			return nil, err
		}
		if st.LastRun == "" {
			continue
		}
		eg.Go(func() error {
			runs, err := s.docs.Get(ctx, runsOf(ids[i]), []string{st.LastRun})
			if err != nil || runs[0] == nil {
				return err
			}
			out[i], err = parseRun(*runs[0])
			return err
		})
	}
	return out, eg.Wait()
}

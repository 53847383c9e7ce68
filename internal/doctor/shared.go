package doctor

import (
	"context"
	"sync"
)

// Shared makes examinations one at a time: callers that come while one is under way wait for
// it, and get its report. However many ask, the store and the sources are asked once. The zero
// value is ready for use.
type Shared struct {
	mu      sync.Mutex
	current *shared // nil: none is under way
}

// shared is an examination that is under way.
type shared struct {
	done   chan struct{}
	report Report
	whole  bool // its caller waited for it
}

// Examine returns the report of examine, or of the call of it that is under way. A report that
// was cut off, because the caller who asked for it went away, is nobody else's. It returns an
// error only if ctx ends.
func (s *Shared) Examine(ctx context.Context, examine func(context.Context) Report) (Report, error) {
	for {
		one, mine := s.join()
		if mine {
			return s.lead(ctx, one, examine)
		}
		select {
		case <-one.done:
			if one.whole {
				return one.report, nil
			}
		case <-ctx.Done():
			return Report{}, ctx.Err()
		}
	}
}

// join returns the examination that is under way, or a new one for the caller to make.
func (s *Shared) join() (one *shared, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		return s.current, false
	}
	s.current = &shared{done: make(chan struct{})}
	return s.current, true
}

func (s *Shared) lead(ctx context.Context, one *shared, examine func(context.Context) Report) (Report, error) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.current = nil
		close(one.done)
	}()
	report := examine(ctx)
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	one.report, one.whole = report, true
	return report, nil
}

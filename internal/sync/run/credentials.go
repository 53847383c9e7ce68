package run

import (
	"context"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// A run may be started with credentials that hold for it alone. They are kept in the memory
// of the process that started it, and nowhere else: that process works on the run, and no
// other can continue it.

// As returns the start with credentials for this run alone.
func (o Start) As(username, password string) Start {
	o.Credentials = &source.Credentials{Username: username, Password: password}
	return o
}

// lend keeps the credentials of a run until it has ended.
func (s *Service) lend(run runKey, c *source.Credentials) {
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credentials[run] = *c
}

func (s *Service) given(run runKey) (source.Credentials, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.credentials[run]
	return c, ok
}

// take ends the loan.
func (s *Service) take(run runKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.credentials, run)
}

// takesCredentials returns an error unless runs of the sync can have credentials of their own.
func (s *Service) takesCredentials(d source.Datasource) error {
	if kind, ok := s.kinds.Of(d); ok && kind.Credentials {
		return nil
	}
	return fault.New(fault.Invalid, "credentials: a %s takes none for a single run; they stand in the definition", d.Type)
}

// open opens the source of the run, with the run's own credentials if it has any.
func (e *execution) open(ctx context.Context, kind source.Kind) (source.Source, error) {
	d := e.def.Datasource
	if e.run.Credentials {
		c, ok := e.svc.given(runKey{e.run.SyncID, e.run.ID})
		if !ok {
			return nil, fault.New(fault.Invalid, "the run's credentials were kept in the memory of a process that has ended: start the run again")
		}
		d = d.With(c)
	}
	return kind.Open(ctx, d, e.svc.o.Env)
}

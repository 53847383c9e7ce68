package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/headgate/headgate/internal/store"
)

// name is a service, an endpoint or a collection, and its number in the file.
type name struct {
	service int64 // 0 for a service, collections for a collection
	name    string
	num     int64
}

type nameKey struct {
	service int64
	name    string
}

// names caches the numbers of names. A row of the tables service, endpoint or collection is
// never changed or deleted, so a committed number stays true in all processes.
type names struct {
	mu   sync.RWMutex
	nums map[nameKey]int64
}

func newNames() names { return names{nums: map[nameKey]int64{}} }

func (n *names) get(service int64, name string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	num, ok := n.nums[nameKey{service, name}]
	return num, ok
}

// remember adds committed names. A name of a transaction that may still be undone must not
// be added: its number could be given to another name.
func (n *names) remember(committed []name) {
	if len(committed) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range committed {
		n.nums[nameKey{c.service, c.name}] = c.num
	}
}

// internService returns the number of the service. It gives a new service a number.
func (t *tx) internService(service string) (int64, error) {
	return t.intern(0, service, t.addService, t.service, []byte(service))
}

func (t *tx) internEndpoint(service int64, key string) (int64, error) {
	return t.intern(service, key, t.addEndpoint, t.endpoint, service, []byte(key))
}

func (t *tx) intern(service int64, text string, add, get *sql.Stmt, args ...any) (int64, error) {
	if num, ok := t.names.get(service, text); ok {
		return num, nil
	}
	if _, err := change(add, args...); err != nil {
		return 0, err
	}
	n := name{service: service, name: text}
	if err := get.QueryRowContext(context.Background(), args...).Scan(&n.num); err != nil {
		return 0, err
	}
	t.fresh = append(t.fresh, n) // cached after the commit
	return n.num, nil
}

// serviceNum returns the number of the service, or false if the service has no data.
func (s *Store) serviceNum(ctx context.Context, service string) (int64, bool, error) {
	return s.num(ctx, 0, service, s.q.service, []byte(service))
}

func (s *Store) endpointNum(ctx context.Context, ep store.Endpoint) (int64, bool, error) {
	service, ok, err := s.serviceNum(ctx, ep.Service)
	if !ok || err != nil {
		return 0, false, err
	}
	return s.num(ctx, service, ep.Key, s.q.endpoint, service, []byte(ep.Key))
}

func (s *Store) num(ctx context.Context, service int64, text string, get *sql.Stmt, args ...any) (int64, bool, error) {
	if num, ok := s.names.get(service, text); ok {
		return num, true, nil
	}
	n := name{service: service, name: text}
	switch err := get.QueryRowContext(brief(ctx, 1), args...).Scan(&n.num); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	s.names.remember([]name{n})
	return n.num, true, nil
}

package firestorestore

import "sync"

// memoMost bounds a memo. A configuration has far fewer services and endpoints.
const memoMost = 10_000

// memo keeps what was built from a name, such as references to collections: each event would
// build them several times.
type memo[K comparable, V any] struct {
	mu   sync.RWMutex
	kept map[K]V
}

// get returns what is kept for the name, or what build returns for it.
func (m *memo[K, V]) get(name K, build func() V) V {
	m.mu.RLock()
	v, ok := m.kept[name]
	m.mu.RUnlock()
	if ok {
		return v
	}
	v = build()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = make(map[K]V)
	}
	if len(m.kept) < memoMost {
		m.kept[name] = v
	}
	return v
}

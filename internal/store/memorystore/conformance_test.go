package memorystore

import (
	"testing"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/storetest"
)

func probe() storetest.Probe {
	return storetest.Probe{
		MaxEventBytes: 24 << 20,
		EventExpireAt: func(_ *testing.T, s store.Store, service, id string) time.Time {
			m := s.(*Store)
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.service(service).events[id].expireAt
		},
		ClaimExpireAt: func(_ *testing.T, s store.Store, service, id string) time.Time {
			m := s.(*Store)
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.service(service).claims[id].expireAt
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.Store { return New(Options{}) }, probe())
}

func TestDocsConformance(t *testing.T) {
	t.Parallel()
	storetest.RunDocs(t, func(*testing.T) store.Docs { return New(Options{}) }, storetest.DocsProbe{})
}

func TestDocsConformanceOfCodedErrors(t *testing.T) {
	t.Parallel()
	storetest.RunDocs(t, func(*testing.T) store.Docs { return store.Coded(New(Options{})) }, storetest.DocsProbe{})
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(*testing.B) store.Store { return New(Options{}) })
}

package storetest

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Bench measures the calls that the gate makes most: Append, Claim and Pending.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	b.Helper()
	start := time.Now().UTC().Truncate(time.Microsecond)
	body := []byte(strings.Repeat("0123456789", 30))
	var clock atomic.Int64
	request := func(ep store.Endpoint) store.Append {
		at := start.Add(time.Duration(clock.Add(1)) * time.Microsecond)
		return store.Append{
			Event: event.Event{
				ID: event.RandomID(), Key: ep.Key, ReceivedAt: at, Content: body,
				Meta: event.Meta{Method: "POST", Headers: map[string][]string{"Content-Type": {"application/json"}}},
			},
			Endpoint: ep, Attempt: event.RandomID(),
			ForgetBefore: at.Add(-24 * time.Hour), ExpireAt: at.Add(30 * 24 * time.Hour),
		}
	}
	endpoint := func() store.Endpoint { return store.Endpoint{Service: "bench-" + event.RandomID()[:12], Key: "a"} }
	add := func(b *testing.B, s store.Store, ep store.Endpoint, n int) []store.Pointer {
		reqs := make([]store.Append, n)
		refs := make([]store.Pointer, n)
		for i := range reqs {
			reqs[i] = request(ep)
			refs[i] = reqs[i].Event.Ref()
		}
		for _, r := range s.Append(b.Context(), reqs) {
			if r.Err != nil {
				b.Error(r.Err)
			}
		}
		return refs
	}
	perSecond := func(b *testing.B, n int) { b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s") }

	for _, size := range []int{1, 64} {
		name := map[int]string{1: "Append1", 64: "Append64"}[size]
		b.Run(name, func(b *testing.B) {
			s, ep := open(b), endpoint()
			b.ReportAllocs()
			for b.Loop() {
				add(b, s, ep, size)
			}
			perSecond(b, size)
		})
		b.Run(name+"By64", func(b *testing.B) {
			s, ep := open(b), endpoint()
			b.ReportAllocs()
			b.SetParallelism(32) // times GOMAXPROCS
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					add(b, s, ep, size)
				}
			})
			perSecond(b, size)
		})
	}

	b.Run("Claim2", func(b *testing.B) {
		s, ep := open(b), endpoint()
		for b.Loop() {
			b.StopTimer()
			ps := add(b, s, ep, 2)
			c := store.Claim{
				ClaimInfo: store.ClaimInfo{
					ID: event.RandomID(), Service: ep.Service, EventID: event.RandomID(), Owner: event.RandomID(),
					Date: start, State: store.Claimed, NumberOfEvents: len(ps), NextAttempt: start,
				},
				Lists: []event.List{{Key: ep.Key, Need: 2, Count: len(ps), Included: ps}},
			}
			b.StartTimer()
			if err := s.Claim(b.Context(), c, []store.Taken{{Endpoint: ep, Pointers: ps}}); err != nil {
				b.Fatal(err)
			}
		}
	})

	b.Run("Pending10", func(b *testing.B) {
		s, ep := open(b), endpoint()
		add(b, s, ep, 1000)
		b.ReportAllocs()
		for b.Loop() {
			if ps, err := s.Pending(b.Context(), ep, time.Time{}, 10); err != nil || len(ps) != 10 {
				b.Fatal(len(ps), err)
			}
		}
	})
}

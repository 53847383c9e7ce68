// Package storetest is the conformance suite of package store. A driver lands only if it
// passes. Every topic has a file. Every subtest has a service of its own, so all of them
// may share one store, even one with data of earlier runs.
//
// A Probe describes the differences that drivers may have, instead of a list of tests to
// skip.
package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Probe describes the abilities of the store under test. Its zero value describes a store
// that takes small events and keeps everything until it is purged.
type Probe struct {
	// MaxEventBytes is the largest event.Size that the store takes here. A value below
	// 64 KiB counts as 64 KiB.
	MaxEventBytes int
	// TooLargeBytes is an event.Size that the store refuses; 0 skips that test.
	TooLargeBytes int
	// ExpiresItself means that the store expires data by itself, and Purge does nothing.
	ExpiresItself bool
	// HasTime means that the store has a time of its own.
	HasTime bool
	// InjectLostAnswer makes the next commit of s for the service succeed, while s itself
	// gets an error instead of the answer. Optional. If open returned a store for this test
	// alone, the suite does not use it for anything else meanwhile.
	InjectLostAnswer func(t *testing.T, s store.Store, service string)
	// EventExpireAt returns the time from which the store may delete the event. Optional.
	EventExpireAt func(t *testing.T, s store.Store, service, id string) time.Time
	// ClaimExpireAt returns the time from which the store may delete the claim, zero if
	// never. Optional.
	ClaimExpireAt func(t *testing.T, s store.Store, service, id string) time.Time
	// Refusing returns a store for one test alone, and a function that makes the database
	// below it refuse writes (true) or take them again (false). Reads are answered all the
	// time. Optional.
	Refusing func(t *testing.T) (s store.Store, refuse func(bool))
}

// Run checks everything that package store promises. open returns a store, shared or fresh,
// and closes it with t.Cleanup if needed.
func Run(t *testing.T, open func(t *testing.T) store.Store, probe Probe) {
	t.Helper()
	probe.MaxEventBytes = max(probe.MaxEventBytes, 64<<10)
	run := func(name string, shards int, test func(f *fixture)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newFixture(t, open(t), probe, shards))
		})
	}
	for _, topic := range []map[string]func(*fixture){
		appendTests, forgetTests, nameTests, bodyTests, expiryTests, outboxTests, listTests, contextTests, receivedTests,
	} {
		for name, test := range topic {
			run(name, 0, test)
		}
	}
	for _, topic := range []map[string]func(*fixture){
		pendingTests, claimTests, claimDocsTests, contentionTests, discardTests, waitingTests, slotTests, partTests,
	} {
		for name, test := range topic {
			for _, shards := range []int{0, 4} {
				run(fmt.Sprintf("%s/shards=%d", name, shards), shards, test)
			}
		}
	}
}

// fixture has a store, and a service that no other test uses.
type fixture struct {
	*testing.T
	ctx     context.Context
	s       store.Store
	probe   Probe
	service string
	shards  int
	now     time.Time // whole microseconds
}

func newFixture(t *testing.T, s store.Store, probe Probe, shards int) *fixture {
	t.Helper()
	return &fixture{
		T: t, ctx: t.Context(), s: s, probe: probe, shards: shards,
		service: "svc-" + event.RandomID()[:12],
		now:     time.Now().UTC().Truncate(time.Microsecond),
	}
}

func (f *fixture) ep(key string) store.Endpoint {
	return store.Endpoint{Service: f.service, Key: key, Shards: f.shards}
}

// at returns the fixture's now plus us microseconds.
func (f *fixture) at(us int) time.Time { return f.now.Add(time.Duration(us) * time.Microsecond) }

// request returns an Append of a new event with a small body.
func (f *fixture) request(key string, at time.Time) store.Append {
	id := event.RandomID()
	return store.Append{
		Event: event.Event{
			ID: id, Key: key, ReceivedAt: at,
			Meta:    event.Meta{Method: "POST", Headers: map[string][]string{"Content-Type": {"text/plain"}}},
			Content: []byte("body of " + id),
		},
		Endpoint:     f.ep(key),
		Attempt:      event.RandomID(),
		ForgetBefore: at.Add(-24 * time.Hour),
		ExpireAt:     at.Add(30 * 24 * time.Hour),
	}
}

// add appends the events, and requires that each is stored and none is a duplicate.
func (f *fixture) add(reqs ...store.Append) []store.Pointer {
	f.Helper()
	results := f.s.Append(f.ctx, reqs)
	require.Len(f, results, len(reqs))
	refs := make([]store.Pointer, len(reqs))
	for i, r := range results {
		require.NoError(f, r.Err)
		require.False(f, r.Duplicate)
		requireTime(f, reqs[i].Event.ReceivedAt, r.ReceivedAt)
		refs[i] = reqs[i].Event.Ref()
	}
	return refs
}

// put appends n new events, received a microsecond apart, the first one now.
func (f *fixture) put(key string, n int) []store.Pointer {
	f.Helper()
	reqs := make([]store.Append, n)
	for i := range reqs {
		reqs[i] = f.request(key, f.at(i))
	}
	return f.add(reqs...)
}

// pending returns all pointers of the endpoint.
func (f *fixture) pending(key string) []store.Pointer {
	f.Helper()
	ps, err := f.s.Pending(f.ctx, f.ep(key), time.Time{}, 0)
	require.NoError(f, err)
	return ps
}

// claim returns a claim of the pointers, all of one endpoint. It does not store it.
func (f *fixture) claim(key string, ps ...store.Pointer) store.Claim {
	c := store.Claim{
		ClaimInfo: store.ClaimInfo{
			ID: event.RandomID(), Service: f.service, EventID: event.RandomID(), TriggerType: "all",
			Date: f.now, Owner: event.RandomID(), NumberOfEvents: len(ps), State: store.Claimed,
			Size: 100, NextAttempt: f.now,
		},
		Lists: []event.List{{Key: key, Need: 1, Send: "all", Count: len(ps), Included: ps}},
	}
	if len(ps) > 0 {
		c.Lists[0].First, c.Lists[0].Last = ps[0].ReceivedAt, ps[len(ps)-1].ReceivedAt
	}
	return c
}

func (f *fixture) take(key string, ps ...store.Pointer) store.Taken {
	return store.Taken{Endpoint: f.ep(key), Pointers: ps}
}

// outbox returns the claim as it is stored, and requires that it is.
func (f *fixture) outbox(c store.Claim) store.Claim {
	f.Helper()
	got, err := f.s.ClaimByEventID(f.ctx, c.Service, c.EventID)
	require.NoError(f, err)
	return got
}

// requireClaim compares all fields. It ignores the zone of a time, and the difference
// between an empty list and nil.
func requireClaim(t require.TestingT, want, got store.Claim) {
	require.Equal(t, plainClaim(want), plainClaim(got))
}

func plainInfo(c store.ClaimInfo) store.ClaimInfo {
	c.Date, c.NextAttempt, c.PublishedAt = c.Date.UTC(), c.NextAttempt.UTC(), c.PublishedAt.UTC()
	if c.Window != nil {
		w := *c.Window
		w.Opened, w.Closes = w.Opened.UTC(), w.Closes.UTC()
		c.Window = &w
	}
	targets := make([]store.Target, len(c.Targets))
	for i, t := range c.Targets {
		t.NextAttempt, t.DeliveredAt = t.NextAttempt.UTC(), t.DeliveredAt.UTC()
		targets[i] = t
	}
	c.Targets = targets
	return c
}

func plainClaim(c store.Claim) store.Claim {
	c.ClaimInfo = plainInfo(c.ClaimInfo)
	lists := make([]event.List, len(c.Lists))
	for i, l := range c.Lists {
		l.First, l.Last, l.Included = l.First.UTC(), l.Last.UTC(), plain(l.Included)
		lists[i] = l
	}
	c.Lists = lists
	return c
}

func plain(refs []event.Ref) []event.Ref {
	out := make([]event.Ref, len(refs))
	for i, r := range refs {
		out[i] = event.Ref{ID: r.ID, ReceivedAt: r.ReceivedAt.UTC(), Size: r.Size}
	}
	return out
}

func requireRefs(t require.TestingT, want, got []event.Ref) {
	require.Equal(t, plain(want), plain(got))
}

func requireTime(t require.TestingT, want, got time.Time) {
	require.True(t, want.Equal(got), "want %s, got %s", want.Format(time.RFC3339Nano), got.Format(time.RFC3339Nano))
}

// together calls f n times at once and returns the answer of each call.
func together[T any](n int, f func(i int) T) []T {
	answers := make([]T, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return answers
}

// sample returns k different numbers below n, in random order.
func sample(n, k int) []int { return rand.Perm(n)[:k] }

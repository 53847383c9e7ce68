// Package contention simulates instances that claim the same windows of one service, in virtual
// time. It answers what docs/scale.md asks: how the number of instances changes the claims that
// are lost, the documents that are read, and the delay of messages. The same seed gives the same
// result on every machine, because the package has no clock, no goroutine and no fraction.
//
// It models what bears on contention, as the gate and the Firestore driver do it. An instance
// commits the events that wait, one group at a time. After each commit it looks at the window:
// first at the endpoint that lacked events last, then at all. If the window is complete, it
// commits a claim, which deletes the pointer of each event it read and fails as a whole if one is
// gone. Then it looks again, after a random pause that grows with the attempts. Each call takes
// effect at one instant, in the middle of its latency.
//
// It leaves out what does not depend on how many instances there are: bodies, publications, the
// store's own limits, and failures.
package contention

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// Options describe a simulation.
type Options struct {
	Instances int
	Events    int
	PerSecond int           // events that arrive, evenly spread over the instances and endpoints
	Work      time.Duration // of an instance's processor on an event
	Read      Latency
	Commit    Latency
	Seed      uint64
}

// Latency is the time of a call, from Least to nearly twice that.
type Latency struct{ Least time.Duration }

// Result is what happened until nothing was left to do.
type Result struct {
	Messages [][]int // the events of each, in the order of the claims
	Waiting  []int   // events that are in no message
	Lost     int     // claims that failed because another instance was first
	Attempts int     // the largest number of claims that one look needed
	Looks    int
	Reads    int // of documents, as Firestore bills them
	Took     time.Duration
	// Delays are the times from an event's arrival until its message was claimed, sorted.
	Delays []time.Duration
}

const (
	endpoints = 2
	group     = 200    // events of a commit
	margin    = 61     // pointers of an endpoint that a look reads at first
	maxClaim  = 10_000 // events of a claim
)

// Run simulates the instances until every event has arrived and no instance has work left.
func Run(o Options) Result {
	s := &simulation{o: o, random: rand.New(rand.NewPCG(o.Seed, o.Seed)), arrived: make([]time.Duration, o.Events)}
	for range o.Instances {
		s.instances = append(s.instances, &instance{s: s})
	}
	for i := range s.waiting {
		s.waiting[i] = make(map[int]bool)
	}
	apart := 2 * int64(time.Second) / int64(o.PerSecond)
	at := time.Duration(0)
	for e := range o.Events {
		at += time.Duration(s.random.Int64N(apart + 1)) // half of it on average
		s.arrived[e] = at
		to := s.instances[s.random.IntN(o.Instances)]
		s.at(at, func() { to.arrive(e) })
	}
	for s.agenda.Len() > 0 {
		next := heap.Pop(&s.agenda).(*appointment) //nolint:forcetypeassert // the agenda has nothing else
		s.now = next.at
		next.do()
	}
	for _, set := range s.waiting {
		for e := range set {
			s.result.Waiting = append(s.result.Waiting, e)
		}
	}
	slices.Sort(s.result.Waiting)
	slices.Sort(s.result.Delays)
	s.result.Took = s.now
	return s.result
}

// simulation is the world: the time, what is to happen, and the store.
type simulation struct {
	o         Options
	random    *rand.Rand
	now       time.Duration
	agenda    agenda
	order     int // of appointments
	instances []*instance
	arrived   []time.Duration         // by event
	waiting   [endpoints]map[int]bool // the pointers
	result    Result
}

// call does something to the store in the middle of a latency, and then goes on at its end.
func (s *simulation) call(l Latency, after time.Duration, effect, then func()) {
	half := int64(l.Least) / 2
	there := s.now + after + time.Duration(half+s.random.Int64N(half+1))
	s.at(there, effect)
	s.at(there+time.Duration(half+s.random.Int64N(half+1)), then)
}

// read returns the oldest pointers of an endpoint, at most limit. A query costs at least one read.
func (s *simulation) read(endpoint, limit int) []int {
	all := make([]int, 0, len(s.waiting[endpoint]))
	for e := range s.waiting[endpoint] {
		all = append(all, e)
	}
	slices.Sort(all) // events are numbered in the order of their arrival
	all = all[:min(len(all), limit)]
	s.result.Reads += max(len(all), 1)
	return all
}

// claim deletes the pointers of the events, unless one is gone.
func (s *simulation) claim(events []int) bool {
	for _, e := range events {
		if !s.waiting[e%endpoints][e] {
			s.result.Lost++
			return false
		}
	}
	for _, e := range events {
		delete(s.waiting[e%endpoints], e)
		s.result.Delays = append(s.result.Delays, s.now-s.arrived[e])
	}
	s.result.Messages = append(s.result.Messages, events)
	return true
}

func (s *simulation) at(at time.Duration, do func()) {
	s.order++
	heap.Push(&s.agenda, &appointment{at, s.order, do})
}

// appointment is something that happens at an instant. Those of one instant happen in the order
// in which they were made.
type appointment struct {
	at    time.Duration
	order int
	do    func()
}

// agenda is a heap of appointments, the earliest on top.
type agenda []*appointment

func (a agenda) Len() int      { return len(a) }
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}
func (a *agenda) Push(x any) { *a = append(*a, x.(*appointment)) } //nolint:forcetypeassert // only at calls it
func (a *agenda) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

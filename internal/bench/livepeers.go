package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// pushed holds the measurements of one server.
type pushed struct {
	each             float64 // KB of an idle client
	idle, after      float64 // MB before and after the rounds
	median, worst    time.Duration
	behind           int64 // clients that were not at the newest after the burst
	burst            time.Duration
	alone, withCrowd time.Duration // p50 of a publication without clients, and in the burst
}

const (
	burstChanges = 200
	burstWait    = 30 * time.Second
)

// livePeers measures the push to many clients of the real binary, of Centrifugo and of bare
// sockets: with the same clients, and each server as a process of its own.
func livePeers(b *bench) error {
	const clients = 9_000 // this process may have 20,000 files open, and each server as well
	bare, err := pushBy(b, startBare, clients, false)
	if err != nil {
		return err
	}
	ours, err := pushBy(b, startHeadgate, clients, true)
	if err != nil {
		return err
	}
	b.pushRows(ours, bare, clients)
	peer, err := pushBy(b, startCentrifugo, clients, false)
	if err != nil {
		return fmt.Errorf("centrifugo: %w", err)
	}
	change := fmt.Sprintf("one change to %d WebSocket clients, until the last has it, %d rounds, against Centrifugo", clients, rounds)
	b.against(change+", median", ours.median, peer.median, 1)
	b.against(change+", worst", ours.worst, peer.worst, 1)
	b.peak = noProcess
	b.add(row{measure: fmt.Sprintf("memory per idle client of %d, the real binary", clients), value: ours.each, unit: kilobytes, goal: atMost(18)},
		"%.1f KB (Centrifugo %.1f KB)", ours.each, peer.each)
	return nil
}

// pushRows adds the rows that need no peer.
func (b *bench) pushRows(ours, bare *pushed, clients int) {
	b.against(fmt.Sprintf("one change to %d WebSocket clients, median of %d, against bare writes to as many sockets by another process", clients, rounds), ours.median, bare.median, 1.5)
	b.peak = noProcess
	b.add(row{measure: fmt.Sprintf("resident memory after %d changes to %d clients, against idle", rounds, clients), value: ours.after / ours.idle, unit: times, goal: atMost(1.3)},
		"%.2f× (%.0f MB against %.0f MB)", ours.after/ours.idle, ours.after, ours.idle)
	b.peak = noProcess
	b.add(row{measure: fmt.Sprintf("%d changes to %d clients, as fast as they are taken, until all have the newest", burstChanges, clients), value: ours.burst.Seconds(), unit: "s", goal: atMost(1.5),
		also: "every client at the newest", held: ours.behind == 0}, "%.2f s, %d clients behind", ours.burst.Seconds(), ours.behind)
	b.against("p50 of a PUT during these changes, against without clients", ours.withCrowd, ours.alone, 2)
}

// against adds a row with the ratio of two times.
func (b *bench) against(measure string, ours, other time.Duration, bound float64) {
	ratio := float64(ours) / float64(other)
	b.peak = noProcess
	b.add(row{measure: measure, value: ratio, unit: times, goal: atMost(bound)}, "%.2f× (%v against %v)", ratio, ours.Round(10*time.Microsecond), other.Round(10*time.Microsecond))
}

// pushBy measures one server, and with all a burst of changes, too.
func pushBy(b *bench, start func(*bench, string) (*liveServer, error), clients int, all bool) (*pushed, error) {
	dir, err := os.MkdirTemp("", "headgate-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := start(b, dir)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	p := &pushed{}
	if p.alone, err = s.publishAll(burstChanges); err != nil {
		return nil, err
	}
	before, _, err := memory(s.pid())
	if err != nil {
		return nil, err
	}
	c, err := gather(s, clients)
	if err != nil {
		return nil, err
	}
	defer c.leave()
	time.Sleep(3 * time.Second)
	if p.idle, _, err = memory(s.pid()); err != nil {
		return nil, err
	}
	p.each = (p.idle - before) * 1e6 / 1024 / float64(clients)
	if err := p.inRounds(s, c); err != nil {
		return nil, err
	}
	if p.after, _, err = memory(s.pid()); err != nil || !all {
		return p, err
	}
	began := time.Now()
	c.expect(s.value + burstChanges)
	if p.withCrowd, err = s.publishAll(burstChanges); err != nil {
		return nil, err
	}
	c.wait()
	p.burst, p.behind = time.Since(began), c.left.Load()
	return p, nil
}

// inRounds makes one change after the other, each when all clients have the one before.
func (p *pushed) inRounds(s *liveServer, c *crowd) error {
	var took []time.Duration
	for range rounds {
		began := time.Now()
		c.expect(s.value + 1)
		if _, err := s.publishAll(1); err != nil {
			return err
		}
		if !c.wait() {
			return fmt.Errorf("%d clients did not get a change", c.left.Load())
		}
		took = append(took, time.Since(began))
		time.Sleep(150 * time.Millisecond) // longer than a server may hold a change back
	}
	slices.Sort(took)
	p.median, p.worst = took[rounds/2], took[rounds-1]
	return nil
}

// publishAll makes n changes and returns the median time that one took.
func (s *liveServer) publishAll(n int) (p50 time.Duration, err error) {
	took := make([]time.Duration, n)
	for i := range took {
		s.value++
		began := time.Now()
		if err := s.publish(s.value); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[n/2], nil
}

// wait waits until all clients have the value.
func (c *crowd) wait() bool {
	select {
	case <-c.done:
		return true
	case <-time.After(burstWait):
		return false
	}
}

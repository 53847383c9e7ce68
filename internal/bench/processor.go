package main

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/event"
)

// roundTo is the precision of a latency on the emulators.
const roundTo = 100 * time.Microsecond

// processor measures the processor time that the real binary takes for an event on Firestore
// and Pub/Sub, user and system together. What a call costs there depends on how many events
// share it, so on the number of connections.
func processor(b *bench) error {
	if err := b.warmUp(); err != nil {
		return err
	}
	for _, c := range []struct {
		conns int
		most  float64 // milliseconds
	}{{1, 1}, {16, 0.2}, {64, 0.1}} {
		if err := processorAt(b, c.conns, c.most); err != nil {
			return err
		}
	}
	return nil
}

func processorAt(b *bench, conns int, most float64) error {
	p, err := startOnEmulators(b)
	if err != nil {
		return err
	}
	defer p.stop()
	n := b.events / 4
	if conns == 1 {
		n /= 4
	}
	if _, err := load(p.base, n/5, conns, alternating); err != nil {
		return err
	}
	before, err := processorTime(p.pid())
	if err != nil {
		return err
	}
	got, err := load(p.base, n, conns, alternating)
	if err != nil {
		return err
	}
	after, err := processorTime(p.pid())
	if err != nil {
		return err
	}
	if _, b.peak, err = memory(p.pid()); err != nil {
		return err
	}
	each := milliseconds(after-before) / float64(n)
	b.add(row{measure: fmt.Sprintf("processor time of the real binary per event, two endpoints in turn, both emulators, %d connections", conns),
		value: each, unit: "ms", goal: atMost(most)},
		"%.2f ms (%d events at %.0f/s, p50 %v)", each, n, got.rate, got.p50.Round(roundTo))
	return nil
}

// startOnEmulators starts the binary on the emulators, in a project of its own.
func startOnEmulators(b *bench) (*running, error) {
	project := "bench-" + event.RandomID()[:8]
	return b.startBinary([]string{"PROJECT_ID=" + project, "CONFIG=" + serviceJSON("projects/"+project+"/topics/sync")}, "-store", "firestore", "-bus", "pubsub")
}

package main

import "fmt"

const eventSyncHelp = "comma-separated URLs of EventSync's published service, which runs on the same emulators with the endpoints a and b: " +
	"measures it beside concurrent ingest, one of them in each run, because it gets slower with what it has stored"

// eventSync measures concurrent ingest against that of EventSync's own source, which somebody has
// started (see docs/performance.md). Both take the same events of the same client on the same
// emulators. EventSync gets a tenth as many, because it would take minutes, and because its
// queries get slower with every event that it has ever stored.
func eventSync(b *bench) error {
	if len(b.peers) == 0 {
		b.leaveOut("eventsync: left out, because -eventsync names no service, or not one for each run")
		return nil
	}
	peer := b.peers[0]
	b.peers = b.peers[1:]
	if err := b.warmUp(); err != nil {
		return err
	}
	for _, c := range []struct {
		conns int
		least float64
	}{{16, 10}, {64, 20}} {
		base, stop, err := emulated(b)
		if err != nil {
			return err
		}
		defer stop()
		n := max(b.events/4, 1000)
		if _, err := load(base, n/5, c.conns, alternating); err != nil {
			return err
		}
		theirs, err := load(peer, n/10, c.conns, alternating)
		if err != nil {
			return err
		}
		got, err := load(base, n, c.conns, alternating)
		if err != nil {
			return err
		}
		ratio := got.rate / theirs.rate
		b.add(row{measure: fmt.Sprintf("concurrent ingest on both emulators against EventSync's source, %d connections", c.conns),
			value: ratio, unit: times, goal: atLeast(c.least)},
			"%.1f× (%.0f/s against %.0f/s; p99 %v against %v)", ratio, got.rate, theirs.rate, got.p99.Round(roundTo), theirs.p99.Round(roundTo))
	}
	return nil
}

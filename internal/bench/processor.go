package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/headgate/headgate/internal/event"
)

// roundTo is the precision of a latency on the emulators.
const roundTo = 100 * time.Microsecond

// processor measures the processor time that the real binary takes for an event on Firestore
// and Pub/Sub, user and system together. What a call costs there depends on how many events
// share it, so on the number of connections.
func processor(b *bench) error {
	bin, err := b.binary()
	if err != nil {
		return err
	}
	p, err := startOnEmulators(bin)
	if err != nil {
		return err
	}
	_, err = load(p.base, b.events, 64, alternating) // the emulators' JVMs compile: slow answers cost us time, too
	p.stop()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		conns int
		most  float64 // milliseconds
	}{{1, 1}, {16, 0.2}, {64, 0.1}} {
		if err := processorAt(b, bin, c.conns, c.most); err != nil {
			return err
		}
	}
	return nil
}

func processorAt(b *bench, bin string, conns int, most float64) error {
	p, err := startOnEmulators(bin)
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
	before, err := processorTime(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	got, err := load(p.base, n, conns, alternating)
	if err != nil {
		return err
	}
	after, err := processorTime(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if _, b.peak, err = memory(p.cmd.Process.Pid); err != nil {
		return err
	}
	each := milliseconds(after-before) / float64(n)
	b.add(row{measure: fmt.Sprintf("processor time of the real binary per event, two endpoints in turn, both emulators, %d connections", conns),
		value: each, unit: "ms", goal: atMost(most)},
		"%.2f ms (%d events at %.0f/s, p50 %v)", each, n, got.rate, got.p50.Round(roundTo))
	return nil
}

// running is the real binary, serving.
type running struct {
	cmd  *exec.Cmd
	base string
}

// startOnEmulators starts the binary on the emulators, in a project of its own.
func startOnEmulators(bin string) (*running, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr, project := l.Addr().String(), "bench-"+event.RandomID()[:8]
	_ = l.Close()
	cmd := exec.Command(bin, "serve", "--addr", addr, "--store", "firestore", "--bus", "pubsub")
	cmd.Env = append(os.Environ(), "PROJECT_ID="+project, "CONFIG="+serviceJSON("projects/"+project+"/topics/sync"))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &running{cmd, "http://" + addr}
	if err := answers(p.base+"/readyz", time.Now().Add(30*time.Second)); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *running) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

package e2e_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func crashRounds(t *testing.T) int {
	t.Helper()
	v := os.Getenv("HEADGATE_CRASH_ROUNDS")
	if v == "" {
		return 5
	}
	n, err := strconv.Atoi(v)
	require.NoError(t, err, "HEADGATE_CRASH_ROUNDS")
	require.Positive(t, n, "HEADGATE_CRASH_ROUNDS")
	return n
}

// The process is killed at random moments under load, while clients retry requests that
// were not acknowledged. No event is lost, and none is in two messages.
func TestCrash(t *testing.T) {
	t.Parallel()
	slow(t)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		p, acked := crash(t, options{env: []string{"CONFIG=" + service("crash", "p")}}, (*process).settle)
		c := newCensus()
		c.collect(t, p, 0)
		c.check(t, acked)
	})
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		env, pubsubHost, project := emulated(t)
		s := consume(t, pubsubHost, project, nil)
		p, acked := crash(t, options{env: env}, (*process).settle)
		s.receivesAll(t, acked)
		redelivered := s.redelivered()
		s.census.collect(t, p, 300) // few: the emulator reads all claims to find one
		s.census.check(t, acked)
		t.Logf("%d messages, %d of them delivered again", len(s.census.bodies), redelivered)
	})
}

// crash loads and kills processes. It returns the last one, after settle has left no event
// waiting, and the acknowledged events.
func crash(t *testing.T, o options, settle func(*process, *testing.T)) (*process, []string) {
	t.Helper()
	rounds := crashRounds(t)
	o.addr = fixedPort(t)
	p := start(t, o)
	l := startLoad(t, p, "c", 8, 0)
	began := time.Now()
	for round := range rounds {
		switch round % 4 {
		case 3: // kill it while it starts and recovers from the previous crash
			time.Sleep(rand.N(60 * time.Millisecond))
		case 0: // on a busy machine, no other round may last until an event is acknowledged
			p.listens(t)
			l.goesOn(t)
			time.Sleep(rand.N(150 * time.Millisecond))
		default:
			p.listens(t)
			time.Sleep(5*time.Millisecond + rand.N(145*time.Millisecond))
		}
		p.kill9()
		p = p.at(o.addr).restart(t)
	}
	p.listens(t)
	p.ready(t)
	l.finish()
	took := time.Since(began)
	require.NotEmpty(t, l.acked)
	settle(p, t)
	t.Logf("%d kills, %d events acknowledged, %d requests repeated, %v under load, %v in all",
		rounds, len(l.acked), l.retries.Load(), took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return p, l.acked
}

// at sets the address of a process that the test did not wait for.
func (p *process) at(addr string) *process {
	p.addr, p.base = addr, "http://"+addr
	return p
}

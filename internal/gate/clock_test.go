package gate_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/clock"
)

// A clock that jumps for eleven seconds and is then corrected loses no event and no message.
func TestAttackClockTwoHoursAheadForElevenSeconds(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{2 * time.Hour, 240 * time.Hour, -time.Hour, -240 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				i := w.instance(0)
				i.send("a", "kept")
				first := i.send("b", "")
				require.NotEmpty(w, first)
				w.pass(time.Hour, i) // from now on the process may delete
				i.send("a", "one")
				w.pass(time.Minute, i)
				i.set = jump
				w.pass(11*time.Second, i)
				i.send("a", "one") // the source retries
				i.send("a", "ahead")
				w.pass(time.Second, i)
				i.set = 0
				w.pass(2*time.Minute, i)
				w.check()
				require.NotEmpty(w, i.send("b", ""), "the acknowledged events still complete the window")
				require.Empty(w, i.send("b", ""))
				c, err := w.store.ClaimByEventID(context.Background(), "s", w.bus.ids()[1])
				require.NoError(w, err)
				require.Len(w, c.Lists[0].Included, 2)
				require.NoError(w, i.WriteMessage(context.Background(), first, io.Discard, func(int) {}), "no message is purged")
				w.check()
			})
		})
	}
}

// A process that starts with a wrong clock deletes nothing before the clock is corrected,
// and publishes claims that were made under another time.
func TestAttackClockWrongAtStart(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{240 * time.Hour, -time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				i := w.instance(0)
				i.send("a", "")
				first := i.send("b", "")
				w.pass(time.Minute, i)
				i.send("a", "waits")
				w.bus.set(true)
				i.send("a", "")
				require.NotEmpty(w, i.send("b", ""))
				i.send("a", "waits too")
				i.set = wrong
				i.restart()
				w.bus.set(false)
				w.pass(2*time.Minute, i)
				require.Len(w, w.bus.ids(), 2, "a claim of another time is published without waiting")
				i.set = 0
				w.pass(clock.Hold+time.Minute, i)
				w.check()
				require.NoError(w, i.WriteMessage(context.Background(), first, io.Discard, func(int) {}))
				require.NotEmpty(w, i.send("b", ""), "waiting events still complete their window")
			})
		})
	}
}

// A process that has stored nothing yet keeps what an earlier one has stored, even if its clock
// is ahead for hours.
func TestAttackClockAheadAfterARestart(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		i := w.instance(0)
		i.send("a", "")
		first := i.send("b", "")
		i.send("a", "waits")
		i.restart()
		i.set = 24*time.Hour + time.Minute
		w.pass(time.Hour, i)
		require.NoError(w, i.WriteMessage(context.Background(), first, io.Discard, func(int) {}), "no message is purged")
		w.check()
	})
}

// A machine that starts with a clock far in the past, which is corrected soon after, still
// recognises retries as duplicates.
func TestAttackClockNamesAreKeptByASlowStart(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		i := w.instance(0)
		i.send("a", "k")
		w.pass(time.Minute, i)
		i.set = -20_000 * 24 * time.Hour
		i.restart()
		i.send("a", "k") // requires that it is a duplicate
		w.pass(clock.Grace-time.Minute, i)
		i.send("a", "k")
		i.set = 0
		w.pass(time.Hour, i)
		i.send("a", "k")
	})
}

// An event that a clock far ahead has stamped waits for one period and no longer, and its
// idempotency key is not remembered for days.
func TestAttackClockEventsOfTheFuture(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		if w.timed {
			w.Skip("the store's time decides: no event is of the future")
		}
		i := w.instance(240 * time.Hour)
		i.send("a", "k")
		require.WithinDuration(w, w.truth().Add(240*time.Hour), w.events[0].receipt.ReceivedAt, time.Second)
		i.set = 0
		i.restart()
		w.pass(time.Minute, i)
		require.NotEmpty(w, i.send("b", ""), "it is in the window")
		i.set = 240 * time.Hour
		i.restart()
		i.send("a", "l")
		i.set = 0
		i.restart()
		w.pass(time.Hour, i)
		w.check()
		require.Empty(w, i.send("b", ""), "its period is over")
		out, err := i.Ingest(context.Background(), gate.Incoming{EventKey: "a", IdempotencyKey: "l"})
		require.NoError(w, err)
		require.False(w, out.Receipts[0].Duplicate, "a key stamped with a future time is forgotten")
	})
}

// For random jumps of the clocks, no acknowledged event is lost, no message is purged early,
// and claims are published soon after the bus is back.
func TestAttackClockJumpsUnderLoad(t *testing.T) {
	t.Parallel()
	runs := 3
	if os.Getenv("HEADGATE_ATTACK") != "" {
		runs = 30
	}
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				seed := rand.Uint64()
				w.Log("seed", seed)
				attack(w, rand.New(rand.NewPCG(seed, 1)))
			})
		})
	}
}

func attack(w *world, r *rand.Rand) {
	instances := []*instance{w.instance(0)}
	steps := 150
	if w.timed { // a second instance with a clock of its own; fewer steps, as the emulator is slow
		instances = append(instances, w.instance(-3*time.Hour))
		steps = 60
	}
	outAt := map[string]time.Duration{}
	published := func() {
		for _, id := range w.bus.ids() {
			if _, ok := outAt[id]; !ok {
				outAt[id] = w.ran
			}
		}
	}
	upTo := func(most time.Duration) time.Duration { return time.Duration(r.Int64N(int64(most))) }
	names := 0
	for range steps {
		i := instances[r.IntN(len(instances))]
		switch r.IntN(12) {
		case 0, 1:
			i.set = []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour, 240 * time.Hour}[r.IntN(5)]
			if i.set += upTo(time.Minute); r.IntN(2) == 0 {
				i.set = -i.set
			}
		case 2, 3:
			i.set = 0
		case 4:
			w.bus.set(r.IntN(2) == 0)
		case 5:
			if w.timed || i.set == 0 && !i.wrong { // a restart loses the past of the clock, unless the store has a time
				i.restart()
			}
		case 6:
			_, err := i.SweepNow(context.Background())
			require.NoError(w, err)
		case 7:
			if n := len(w.events); n > 0 {
				if e := w.events[n-1-r.IntN(min(n, 5))]; e.name != "" && w.ran-e.at < 23*time.Hour {
					i.send(e.key, e.name)
				}
			}
		case 8:
			w.pass(upTo(2*time.Hour), instances...)
		default:
			w.pass(upTo(20*time.Second), instances...)
			key, name := []string{"a", "b"}[r.IntN(2)], ""
			if r.IntN(2) == 0 {
				names++
				name = fmt.Sprint("n", names)
			}
			other := map[string]string{"a": "b", "b": "a"}[key]
			w.check()
			completes := slices.ContainsFunc(w.events, func(e *sent) bool {
				return e.key == other && e.out == 0 && !e.expired && w.ran-e.at < period-blur
			})
			released := i.send(key, name)
			require.True(w, !completes || released != "", "the window was complete")
		}
		published()
		w.check()
		i.wrong = i.wrong || i.clock.Now().Sub(w.truth()).Abs() > 2*time.Second
		for id, at := range outAt {
			if w.ran-at < 24*time.Hour-blur {
				require.NoError(w, i.WriteMessage(context.Background(), id, io.Discard, func(int) {}), "purged early")
			}
		}
	}
	w.bus.set(false)
	for _, i := range instances {
		i.set = 0
	}
	w.pass(8*time.Minute, instances...)
	n, _, err := w.store.Backlog(context.Background(), "s")
	require.NoError(w, err)
	require.Zero(w, n, "every claim is published")
	w.check()
}

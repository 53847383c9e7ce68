package contention

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// plan is the load of docs/scale.md: as many events each second as one instance cannot take, and
// latencies as of a database in the same region.
func plan(instances int, seed uint64) Options {
	return Options{
		Instances: instances, Events: 10_000, PerSecond: 10_000, Work: 200 * time.Microsecond,
		Read: Latency{5 * time.Millisecond}, Commit: Latency{15 * time.Millisecond}, Seed: seed,
	}
}

// each runs simulations of several numbers of instances and seeds.
func each(t *testing.T, do func(*testing.T, Options, Result)) {
	for _, instances := range []int{1, 2, 3, 10, 30} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%d instances, seed %d", instances, seed), func(t *testing.T) {
				t.Parallel()
				o := plan(instances, seed)
				do(t, o, Run(o))
			})
		}
	}
}

// TestEachEventIsInOneMessageOrWaits states that no event is lost or doubled, however many
// instances claim the same windows.
func TestEachEventIsInOneMessageOrWaits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o Options, r Result) {
		in := make([]int, o.Events)
		for _, m := range append(r.Messages, r.Waiting) {
			for _, e := range m {
				in[e]++
			}
		}
		for e, n := range in {
			require.Equal(t, 1, n, "event %d", e)
		}
		require.Len(t, r.Delays, o.Events-len(r.Waiting))
	})
}

// TestNoCompleteWindowIsLeft states that each message has events of both endpoints, and that
// at the end an endpoint lacks events: instances that lose a claim look again.
func TestNoCompleteWindowIsLeft(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ Options, r Result) {
		of := func(events []int) (n [endpoints]int) {
			for _, e := range events {
				n[e%endpoints]++
			}
			return n
		}
		require.NotEmpty(t, r.Messages)
		for _, m := range r.Messages {
			require.NotContains(t, of(m), 0)
		}
		require.Contains(t, of(r.Waiting), 0)
	})
}

// TestLostClaimsAreBounded states the bound of docs/scale.md. A claim is lost only to one that
// succeeded since it read the window, and each other instance has at most one claim under way.
// So a claim that succeeds makes at most all other instances lose one.
func TestLostClaimsAreBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o Options, r Result) {
		require.LessOrEqual(t, r.Lost, (o.Instances-1)*len(r.Messages))
		if o.Instances > 2 {
			require.Positive(t, r.Lost, "the instances contend")
		}
	})
}

// TestTheSameSeedGivesTheSameResult states that the figures of the page can be made again.
func TestTheSameSeedGivesTheSameResult(t *testing.T) {
	t.Parallel()
	require.Equal(t, Run(plan(5, 1)), Run(plan(5, 1)))
	require.NotEqual(t, Run(plan(5, 1)), Run(plan(5, 2)))
}

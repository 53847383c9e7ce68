package clock_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/platform/clock"
)

var start = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// machine has a wall clock, which can be set, and a monotonic clock.
type machine struct {
	ran, slept time.Duration
	set        time.Duration // how far the clock is from the truth
}

func (m *machine) truth() time.Time { return start.Add(m.ran + m.slept) }

func (m *machine) steady() *clock.Steady {
	return clock.New(clock.Options{
		Wall:  func() time.Time { return m.truth().Add(m.set) },
		Mono:  func() time.Duration { return 77*time.Hour + m.ran },
		Slept: func() time.Duration { return m.slept },
	})
}

// alone observes a store that has no time of its own.
func alone(t testing.TB, s *clock.Steady) {
	require.NoError(t, s.Observe(t.Context(), func(context.Context) (time.Time, bool, error) { return time.Time{}, false, nil }))
	require.True(t, s.Observed())
}

// run lets time pass, and reads the clock now and then.
func (m *machine) run(s *clock.Steady, d time.Duration) {
	for ; d > 0; d -= 10 * time.Second {
		m.ran += min(d, 10*time.Second)
		s.Now()
	}
}

func TestSteadyIsNotMovedForAMoment(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{2 * time.Hour, 240 * time.Hour, -time.Hour, -400 * 24 * time.Hour, 3 * time.Second} {
		m := &machine{}
		s := m.steady()
		alone(t, s)
		m.run(s, time.Minute)
		m.set = jump
		require.Equal(t, m.truth(), s.Now(), jump)
		m.run(s, 11*time.Second)
		require.Equal(t, m.truth(), s.Now(), jump)
		m.set = 0
		m.run(s, time.Hour)
		require.Equal(t, m.truth(), s.Now(), jump)
	}
}

func TestSteadyFollows(t *testing.T) {
	t.Parallel()
	m := &machine{}
	s := m.steady()
	alone(t, s)
	m.set = 900 * time.Millisecond
	require.Equal(t, m.truth().Add(m.set), s.Now(), "a correction by NTP is followed at once")
	m.slept += 9 * time.Hour
	require.Equal(t, m.truth().Add(m.set), s.Now(), "a machine that slept has not jumped")
	m.set = -time.Hour
	m.run(s, clock.Hold-time.Second)
	require.Equal(t, m.truth().Add(900*time.Millisecond), s.Now())
	m.run(s, 11*time.Second)
	require.Equal(t, m.truth().Add(-time.Hour), s.Now(), "a time that the clock keeps is followed")
}

func TestSettledNeedsAGrace(t *testing.T) {
	t.Parallel()
	m := &machine{}
	s := m.steady()
	settled := func() bool { _, ok := s.Settled(); return ok }
	m.run(s, 2*clock.Grace)
	require.False(t, settled(), "the store has not been asked")
	alone(t, s)
	require.True(t, settled())

	m.set = 240 * time.Hour
	require.False(t, settled())
	m.run(s, clock.Hold+clock.Grace-10*time.Second)
	require.False(t, settled())
	m.run(s, 30*time.Second)
	s.Keeps(24 * time.Hour) // as After does
	upTo, ok := s.Settled()
	require.True(t, ok)
	require.Equal(t, m.truth(), upTo, "data from before the jump is kept for its whole time")

	m.set = 0
	require.False(t, settled(), "setting the clock back is a jump, too")
	m.run(s, clock.Hold+clock.Grace+10*time.Second)
	upTo, ok = s.Settled()
	require.True(t, ok)
	require.Equal(t, m.truth(), upTo)
}

// Since finds every stamp of a span of true time, however the clock was set meanwhile.
// Latest takes no stamp for newer than it is, once the process has run long enough.
func TestLookingBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{set: time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "start"))}
		s := m.steady()
		type stamp struct {
			at, true, until time.Time // until is the expiry of data that is kept for the duration kept
		}
		const kept = 90 * time.Minute
		var stamps []stamp
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				m.set = time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "jump"))
			case 1:
				m.ran += 2 * time.Second // it takes a moment to fall asleep
				m.slept += time.Duration(rapid.Int64Range(0, 1e14).Draw(t, "sleep"))
			default:
				m.run(s, time.Duration(rapid.Int64Range(1, 2e12).Draw(t, "pass")))
			}
			stamps = append(stamps, stamp{s.Now(), m.truth(), s.After(kept)})
			d := time.Duration(rapid.Int64Range(1, 1e13).Draw(t, "back"))
			since := s.Since(d)
			latest, _ := s.Latest(d)
			for _, x := range stamps {
				if m.truth().Sub(x.true) <= d-2*time.Second { // which corrections blur
					require.False(t, x.at.Before(since.Add(-2*time.Second)))
					require.False(t, x.at.After(latest.Add(2*time.Second)))
				}
			}
			upTo, _ := s.Settled()
			for _, x := range stamps {
				require.False(t, x.until.Before(upTo.Add(-2*time.Second)) && x.true.Add(kept).After(m.truth().Add(2*time.Second)))
			}
		}
	})
}

func TestTheStoresTimeDecides(t *testing.T) {
	t.Parallel()
	m := &machine{set: -3 * time.Hour}
	s := m.steady()
	asked := 0
	var away error
	ask := func(context.Context) (time.Time, bool, error) {
		asked++
		m.ran += 100 * time.Millisecond
		now := m.truth()
		m.ran += 300 * time.Millisecond
		return now, true, away
	}
	observe := func() error { return s.Observe(t.Context(), ask) }
	away = errors.New("away")
	require.Error(t, observe())
	require.False(t, s.Observed())
	_, ok := s.Settled()
	require.False(t, ok)
	away = nil
	require.NoError(t, observe())
	require.WithinDuration(t, m.truth(), s.Now(), time.Second)
	upTo, ok := s.Settled()
	require.True(t, ok, "there is nothing to wait for")
	require.WithinDuration(t, m.truth(), upTo, time.Second)
	before := asked
	require.NoError(t, observe())
	require.Equal(t, before, asked, "a wrong machine's clock does not cause a request each time")

	m.set = 240 * time.Hour
	require.WithinDuration(t, m.truth(), s.Now(), time.Second)
	_, ok = s.Settled()
	require.False(t, ok, "until the store was asked")
	require.NoError(t, observe())
	require.Equal(t, before+1, asked)
	_, ok = s.Settled()
	require.True(t, ok)
	m.run(s, 24*time.Hour)
	require.WithinDuration(t, m.truth(), s.Now(), time.Second, "and not believed however long it keeps to it")

	m.set = 0
	require.NoError(t, observe())
	require.WithinDuration(t, m.truth(), s.Now(), time.Second)
}

// A machine without a battery for its clock starts far in the past and gets the time
// from the network soon after. Data from before the correction is not deleted early.
// Later, deletions resume: otherwise the disk would fill up.
func TestSettledForgetsASlowBeginning(t *testing.T) {
	t.Parallel()
	m := &machine{set: -20_000 * 24 * time.Hour}
	s := m.steady()
	alone(t, s)
	const kept = 9 * 24 * time.Hour
	early := s.After(kept)
	m.set = 0
	m.run(s, clock.Hold+time.Minute)
	require.Equal(t, m.truth(), s.Now())
	m.run(s, kept-time.Hour)
	upTo, ok := s.Settled()
	require.True(t, ok)
	require.True(t, upTo.Before(early), "it has not been kept for that long yet")
	m.run(s, 2*time.Hour)
	upTo, ok = s.Settled()
	require.True(t, ok)
	require.Equal(t, m.truth(), upTo)
}

// A clock that was far ahead and was corrected soon does not keep data for years.
func TestAfterForgetsAFastBeginning(t *testing.T) {
	t.Parallel()
	m := &machine{set: 20_000 * 24 * time.Hour}
	s := m.steady()
	alone(t, s)
	m.run(s, time.Minute)
	m.set = 0
	m.run(s, clock.Hold+time.Minute)
	require.Equal(t, m.truth().Add(time.Hour), s.After(time.Hour))

	m.run(s, clock.Grace)
	m.set = -240 * time.Hour // by mistake
	m.run(s, clock.Hold+time.Minute)
	require.Equal(t, m.truth().Add(time.Hour), s.After(time.Hour), "the setting before was no mistake")
}

// One request asks the store, and the others wait for its answer only while they must.
func TestOneCallerAsksTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		set := time.Duration(0)
		s := clock.New(clock.Options{
			Wall: func() time.Time { return time.Now().Add(set) },
			Mono: func() time.Duration { return time.Since(began) },
		})
		asked := 0
		var away error
		ask := func(ctx context.Context) (time.Time, bool, error) {
			asked++
			select {
			case <-time.After(10 * time.Second): // the store hangs
			case <-ctx.Done():
				return time.Time{}, false, ctx.Err()
			}
			return time.Now(), true, away
		}
		// all returns how many of a hundred requests failed, and how long they took.
		all := func() (failed int, took time.Duration) {
			began := time.Now()
			var wg sync.WaitGroup
			var n atomic.Int64
			for range 100 {
				wg.Go(func() {
					if s.Observe(t.Context(), ask) != nil {
						n.Add(1)
					}
				})
			}
			wg.Wait()
			return int(n.Load()), time.Since(began)
		}
		away = errors.New("away")
		failed, took := all()
		require.Equal(t, 100, failed)
		require.Equal(t, 1, asked)
		require.Equal(t, 10*time.Second, took)

		away = nil
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		go func() { _ = s.Observe(gone, ask) }() // the client of this request disconnects meanwhile
		synctest.Wait()
		failed, took = all()
		cancel()
		require.Zero(t, failed)
		require.Equal(t, 3, asked)
		require.Equal(t, 11*time.Second, took)

		time.Sleep(5*time.Minute + time.Second)
		away = errors.New("away")
		then := time.Now()
		var waited atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_ = s.Observe(t.Context(), ask)
				if time.Since(then) > 0 {
					waited.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 4, asked)
		require.Equal(t, int64(1), waited.Load(), "the clock is right meanwhile")
		require.NoError(t, s.Observe(t.Context(), ask), "after a failure, the store is left alone for a while")
		require.Equal(t, 4, asked)
		time.Sleep(6 * time.Second)
		require.Error(t, s.Observe(t.Context(), ask))
		require.Equal(t, 5, asked)

		away, set = nil, time.Hour
		time.Sleep(6 * time.Second)
		failed, took = all()
		require.Zero(t, failed)
		require.Equal(t, 6, asked)
		require.Equal(t, 10*time.Second, took, "a caller after a jump waits for the time")
	})
}

// A virtual machine was paused, and no request asks the store. The process follows the
// machine's clock after a while, and does not stay behind for ever.
func TestTheMachineIsBelievedIfNobodyAsksTheStore(t *testing.T) {
	t.Parallel()
	m := &machine{}
	s := m.steady()
	ask := func(context.Context) (time.Time, bool, error) { return m.truth(), true, nil }
	require.NoError(t, s.Observe(t.Context(), ask))
	m.set = 8 * time.Hour // the monotonic clock did not count the pause
	m.run(s, clock.Hold+time.Minute)
	require.Equal(t, m.truth().Add(m.set), s.Now())
	_, ok := s.Settled()
	require.False(t, ok)

	require.NoError(t, s.Observe(t.Context(), ask)) // the store overrules it
	require.WithinDuration(t, m.truth(), s.Now(), time.Second, "the store knows better")
	m.set = 0
	m.run(s, 10*time.Second)
	m.set = 8 * time.Hour
	s.Now()
	require.WithinDuration(t, m.truth(), s.Now(), time.Second, "a second jump to the same time counts as a jump")
}

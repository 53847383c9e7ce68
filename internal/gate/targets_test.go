package gate_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

var errDown = &target.Failure{Message: "a.example answers 503 Service Unavailable"}

func TestEveryTargetGetsTheMessage(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		p := s.process()
		id := p.send()
		p.Idle()
		state, targets := s.states(id)
		require.Equal(t, store.Published, state)
		for _, name := range []string{"bus", "hook", "load"} {
			require.Equal(t, 1, s.count(name, id))
			require.True(t, targets[name].Delivered())
			require.Equal(t, 1, targets[name].Attempts)
		}
		s.pass(time.Hour)
		p.sweep()
		require.Equal(t, 1, s.count("bus", id))
	})
}

// A target that is down keeps its own pace. The others have the message meanwhile.
func TestATargetThatIsDownDelaysNoOther(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		p := s.process()
		s.fail("hook", errDown)
		id := p.send()
		p.Idle()
		require.Equal(t, 1, s.count("bus", id))
		require.Equal(t, 1, s.count("load", id))
		state, targets := s.states(id)
		require.Equal(t, store.Claimed, state)
		require.True(t, targets["bus"].Delivered())
		require.Equal(t, errDown.Message, targets["hook"].LastError)
		last := 0
		for range 100 { // an operator that sweeps all the time does not use up the attempts
			_, err := p.SweepNow(t.Context())
			require.NoError(t, err)
		}
		for _, pause := range []time.Duration{6 * time.Second, 36 * time.Second, 150 * time.Second} {
			_, targets = s.states(id)
			require.Equal(t, last+1, targets["hook"].Attempts)
			last = targets["hook"].Attempts
			require.LessOrEqual(t, targets["hook"].NextAttempt.Sub(s.began), time.Duration(s.ran.Load())+pause)
			s.pass(pause + time.Second)
			p.sweep()
		}
		s.fail("hook", nil)
		s.pass(15 * time.Minute)
		p.sweep()
		state, targets = s.states(id)
		require.Equal(t, store.Published, state)
		require.Empty(t, targets["hook"].LastError)
		for _, name := range []string{"bus", "hook", "load"} {
			require.Equal(t, 1, s.count(name, id), name)
		}
	})
}

// A sweep counts a message as published only if every target has it, also where it did not
// try a target that had just not answered another message.
func TestASweepCountsOnlyWhatEveryTargetHas(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		const n = 3 * 8 // more than are sent at once
		p := s.process()
		s.fail("hook", &target.Failure{Message: "a.example does not answer", Unanswered: true})
		for range n {
			p.send()
		}
		p.Idle()
		s.pass(time.Minute)
		swept, err := p.Sweep(t.Context())
		require.NoError(t, err)
		require.Zero(t, swept.Republished)
		require.Equal(t, n, swept.Failed)
		s.fail("hook", nil)
		s.pass(time.Hour)
		swept, err = p.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, n, swept.Republished)
		require.Zero(t, swept.Failed)
	})
}

// The topic is tried again for ever, and a bus that is down keeps nothing from an endpoint.
func TestATopicIsNotGivenUp(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		p := s.process()
		s.fail("bus", errors.New("away"))
		ids := []string{p.send(), p.send()}
		p.Idle()
		for range 20 {
			s.pass(7 * time.Minute)
			p.sweep()
		}
		attempts := 0 // of two claims, one tries a bus that does not answer; the other does not in that sweep
		for _, id := range ids {
			_, targets := s.states(id)
			attempts += targets["bus"].Attempts
		}
		require.Greater(t, attempts, 20)
		s.fail("bus", nil)
		_, err := p.SweepNow(t.Context())
		require.NoError(t, err)
		s.pass(7 * time.Minute)
		p.sweep()
		for _, id := range ids {
			state, _ := s.states(id)
			require.Equal(t, store.Published, state)
			require.Equal(t, 1, s.count("hook", id))
			require.Equal(t, 1, s.count("bus", id))
		}
	})
}

// A process that dies between two targets leaves a claim that says who has the message.
func TestDeathBetweenTargets(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		s.holds["hook"] = make(chan struct{})
		p := s.process()
		sent := make(chan string, 1)
		go func() { sent <- p.send() }()
		var id string
		require.Eventually(t, func() bool {
			infos, err := s.store.Claims(t.Context(), "s", store.Page{Limit: 1})
			require.NoError(t, err)
			if len(infos) == 0 {
				return false
			}
			id = infos[0].EventID
			_, targets := s.states(id)
			return targets["bus"].Delivered() && targets["load"].Delivered()
		}, time.Minute, 5*time.Millisecond, "who has the message is recorded while the hook does not answer")
		p.dead.Store(true)
		close(s.holds["hook"])
		<-sent
		p.Idle()
		state, _ := s.states(id)
		require.Equal(t, store.Claimed, state)

		other := s.process()
		other.sweep()
		require.Zero(t, s.count("hook", id), "the dead process still has its lease")
		s.pass(time.Minute)
		other.sweep()
		state, _ = s.states(id)
		require.Equal(t, store.Published, state)
		for _, name := range []string{"bus", "hook", "load"} {
			require.Equal(t, 1, s.count(name, id), name)
		}
	})
}

func TestAGivenUpTargetIsReplayed(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		p := s.process()
		s.fail("hook", &target.Failure{Message: "a.example answers 410 Gone", Final: true})
		id := p.send()
		p.Idle()
		state, targets := s.states(id)
		require.Equal(t, store.Failed, state)
		require.True(t, targets["hook"].GivenUp())
		s.pass(time.Hour)
		p.sweep()
		_, targets = s.states(id)
		require.Equal(t, 1, targets["hook"].Attempts)

		_, err := p.Replay(t.Context(), id, "hook")
		require.Equal(t, fault.Unavailable, fault.CodeOf(err))
		require.ErrorContains(t, err, "a.example answers 410 Gone")
		state, targets = s.states(id)
		require.Equal(t, store.Failed, state)
		require.True(t, targets["hook"].GivenUp())
		_, err = p.Replay(t.Context(), id, "hok")
		require.EqualError(t, err, `there is no target "hok": the targets are bus, hook, load`)

		s.fail("hook", nil)
		_, err = p.Replay(t.Context(), id, "hook")
		require.NoError(t, err)
		state, _ = s.states(id)
		require.Equal(t, store.Published, state)
		require.Equal(t, 1, s.count("hook", id))
		require.Equal(t, 1, s.count("bus", id), "nobody else gets it again")
	})
}

// A sweep whose caller leaves is no attempt of the target's.
func TestAnAttemptThatIsCutOffDoesNotCount(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		p := s.process()
		s.fail("hook", errDown)
		id := p.send()
		p.Idle()
		s.pass(time.Minute)
		s.holds["hook"] = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _, _ = p.Sweep(ctx) }()
		require.Eventually(t, func() bool {
			c, err := s.store.ClaimByEventID(t.Context(), "s", id)
			require.NoError(t, err)
			return c.Attempts == 2
		}, time.Minute, time.Millisecond)
		cancel()
		<-done
		p.Idle()
		_, targets := s.states(id)
		require.Equal(t, 1, targets["hook"].Attempts)
		close(s.holds["hook"])
		s.fail("hook", nil)
		s.pass(time.Minute)
		p.sweep()
		state, _ := s.states(id)
		require.Equal(t, store.Published, state)
	})
}

// The attempts at an endpoint end after two days, as those of webhooks do.
func TestAnEndpointIsGivenUpAfterTwoDays(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		p := s.process()
		s.fail("hook", errDown)
		id := p.send()
		p.Idle()
		for range 10 {
			state, _ := s.states(id)
			require.Equal(t, store.Claimed, state)
			s.pass(30 * time.Hour)
			p.sweep()
		}
		state, targets := s.states(id)
		require.Equal(t, store.Failed, state)
		require.Equal(t, 11, targets["hook"].Attempts)
		require.Equal(t, errDown.Message, targets["hook"].LastError)
	})
}

// A sync that is at work on an earlier message is no failure that anybody waits for.
func TestABusySyncStartsLater(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		p := s.process()
		s.fail("load", &target.Failure{Message: "the sync is at work on an earlier message"})
		out, err := p.Trigger(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, out.EventID)
		id := p.send()
		p.Idle()
		state, _ := s.states(id)
		require.Equal(t, store.Claimed, state)
		s.fail("load", nil)
		s.pass(time.Minute)
		p.sweep()
		state, _ = s.states(id)
		require.Equal(t, store.Published, state)
		require.Equal(t, 1, s.count("bus", id))
	})
}

// Random failures, deaths and times: every target gets every message, and none gets one
// again once that was recorded (fakeSender checks it).
func TestNoTargetIsForgotten(t *testing.T) {
	t.Parallel()
	st, n := drivertest.SQLite(t), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		s := newScene(t, st, fmt.Sprint("s", n))
		p := s.process()
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				p.send()
			case 1:
				p.left.Store(int64(rapid.IntRange(0, 5).Draw(t, "calls")))
				p.send()
			case 2:
				name := rapid.SampledFrom([]string{"bus", "hook", "load"}).Draw(t, "target")
				if rapid.Bool().Draw(t, "down") {
					s.fail(name, rapid.SampledFrom([]error{errDown, &target.Failure{Message: "away", Unanswered: true}}).Draw(t, "error"))
				} else {
					s.fail(name, nil)
				}
			case 3:
				s.pass(time.Duration(rapid.IntRange(1, 3600).Draw(t, "seconds")) * time.Second)
			case 4:
				p.sweep()
			case 5:
				p.Help()()
			}
			p.Idle()
			if p.dead.Load() {
				p = s.process()
			}
		}
		p.left.Store(-1)
		for name := range s.got {
			s.fail(name, nil)
		}
		for range 8 {
			s.pass(30 * time.Hour)
			p.sweep()
			p.Idle()
		}
		for after := (*store.Cursor)(nil); ; {
			infos, err := st.Claims(context.Background(), s.cfg.ServiceName, store.Page{Limit: 50, After: after})
			require.NoError(t, err)
			for _, c := range infos {
				require.Equal(t, store.Published, c.State)
				for name := range s.got {
					require.Positive(t, s.count(name, c.EventID), name)
				}
				after = &store.Cursor{Date: c.Date, ID: c.ID}
			}
			if len(infos) < 50 {
				break
			}
		}
	})
}

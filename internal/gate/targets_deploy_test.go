package gate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/store"
)

// only returns the configuration with one of the targets.
func (s *scene) only(name string) config.Service {
	cfg := s.cfg
	cfg.Targets = nil
	for _, t := range s.cfg.Targets {
		if t.Name == name {
			cfg.Targets = append(cfg.Targets, t)
		}
	}
	return cfg
}

// sendWhileAllAreAway returns the message that the process released while no target answered.
// They all answer afterwards.
func (s *scene) sendWhileAllAreAway(p *process) (id string) {
	for name := range s.got {
		s.fail(name, errors.New("away"))
	}
	id = p.send()
	p.Idle()
	for name := range s.got {
		s.fail(name, nil)
	}
	return id
}

// While instances are replaced, an older one finds messages whose targets it does not know.
// It leaves these to the newer ones, and does its part for those that it knows.
func TestATargetThatOtherInstancesKnowIsLeftToThem(t *testing.T) {
	t.Parallel()
	for _, knows := range []string{"bus", "hook"} {
		scenes(t, func(t *testing.T, s *scene) {
			newer := s.process()
			id := s.sendWhileAllAreAway(newer)
			older := s.processOf(s.only(knows))
			for range 5 {
				s.pass(10 * time.Minute)
				older.sweep()
			}
			state, targets := s.states(id)
			require.Equal(t, store.Claimed, state)
			for name, target := range targets {
				require.Equal(t, name == knows, target.Delivered(), name)
				require.False(t, target.GivenUp(), name)
			}
			s.pass(time.Minute)
			newer.sweep()
			state, _ = s.states(id)
			require.Equal(t, store.Published, state)
			for name := range s.got {
				require.Equal(t, 1, s.count(name, id), name)
			}
		})
	}
}

// A target that left the configuration is given up. It keeps the message from no other
// target, and from no replay.
func TestARemovedTargetIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, left := range []string{"bus", "hook"} {
		scenes(t, func(t *testing.T, s *scene) {
			before := s.process()
			id := s.sendWhileAllAreAway(before)
			p := s.processOf(s.only(left))
			for range 3 {
				s.pass(40 * time.Minute)
				p.sweep()
			}
			state, targets := s.states(id)
			require.Equal(t, store.Failed, state)
			for name, target := range targets {
				require.Equal(t, name == left, target.Delivered(), name)
				require.Equal(t, name != left, target.GivenUp(), name)
			}
			require.Equal(t, 1, s.count(left, id))
			clear(s.recorded[left]) // a replay may send it again
			_, err := p.Replay(t.Context(), id, "")
			require.NoError(t, err)
			require.Equal(t, 2, s.count(left, id))
		})
	}
}

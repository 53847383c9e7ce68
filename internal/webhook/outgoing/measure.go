package outgoing

import (
	"context"

	"github.com/headgate/headgate/internal/platform/meter"
)

// Gauges reads the gauges of the registered URLs: see [meter.Gauges].
func (s *Service) Gauges(ctx context.Context, want func(*meter.Metric) bool, set meter.Set) error {
	if !want(meter.DeliveriesPending) {
		return nil
	}
	pending, paused := int64(0), 0
	err := s.targets.each(ctx, "", func(t *Target) error {
		pending += t.Waiting()
		if t.State == Paused {
			paused++
		}
		return nil
	})
	if err != nil {
		return err
	}
	set(meter.DeliveriesPending, float64(pending))
	set(meter.TargetsPaused, float64(paused))
	return nil
}

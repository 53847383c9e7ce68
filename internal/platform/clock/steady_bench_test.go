package clock_test

import (
	"context"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
)

// BenchmarkSteady measures the calls that one event makes to the clock, from many
// goroutines at once.
func BenchmarkSteady(b *testing.B) {
	began := time.Now()
	s := clock.New(clock.Options{
		Wall: time.Now, Mono: func() time.Duration { return time.Since(began) }, Slept: func() time.Duration { return 0 },
	})
	ask := func(context.Context) (time.Time, bool, error) { return time.Time{}, false, nil }
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_ = s.Observe(context.Background(), ask)
			s.Ran() // of Help
			s.Ran()
			s.Stamp(time.Hour, time.Hour)
			s.Since(time.Hour) // of the check
		}
	})
}

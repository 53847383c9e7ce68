package launch

import (
	"context"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/platform/telemetry"
)

// startTelemetry starts the exporters that the settings choose, and connects them with the
// App's options. It returns nil if nothing is exported. The App closes them.
func startTelemetry(ctx context.Context, s Settings, o *app.Options) (*telemetry.Telemetry, error) {
	if !s.Serves {
		return nil, nil
	}
	t, err := telemetry.Start(ctx, telemetry.Options{
		Choice: s.Telemetry, BackgroundCPU: s.Platform.BackgroundCPU(), Version: s.Version, Log: o.Log,
	})
	if t == nil { // a nil in an interface would not be nil
		return nil, err
	}
	o.Telemetry, o.Tracer, o.Meter = t, t.Tracer(), t.Meter()
	system := "headgate"
	if s.Bus == PubSub {
		system = "gcp_pubsub"
	}
	o.Bus = bus.Traced(o.Bus, o.Tracer, system)
	o.System = "gcp.firestore"
	if s.Store == SQLite {
		o.System = "sqlite"
	}
	return t, nil
}

package gate

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/store"
)

// logMessage writes the line of a message whose outcome was recorded: at INFO that it was
// published, at WARN that every target was tried and some are given up. A message has one
// such line, however many attempts it took. People read it and search by its fields, so these
// keep their names (docs/logs.md). Metrics come from other lines: see package telemetry.
func (g *Gate) logMessage(ctx context.Context, c store.Claim, out store.Outcome) {
	level, text, state, at := slog.LevelInfo, "a message was published", store.Published, out.PublishedAt
	switch {
	case out.Failed:
		level, text, state, at = slog.LevelWarn, "a message did not reach every target", store.Failed, g.clock()
	case at.IsZero():
		return // it still waits
	}
	attrs := append(g.messageAttrs(c.ClaimInfo), slog.String("state", string(state)), slog.Int64("bytes", out.Size))
	if len(out.Targets) == 0 {
		attrs = append(attrs, slog.String("topic", g.topicOf(c)))
	} else {
		var have, lack []string
		for _, t := range out.Targets {
			if t.Delivered() {
				have = append(have, t.Name)
			} else {
				lack = append(lack, t.Name)
			}
		}
		attrs = append(attrs, slog.String("targets", strings.Join(have, ",")))
		if len(lack) > 0 {
			attrs = append(attrs, slog.String("failedTargets", strings.Join(lack, ",")))
		}
	}
	attrs = append(attrs, slog.Int("attempts", max(c.Attempts, 1)), slog.Float64("latencySeconds", max(at.Sub(c.Date), 0).Round(time.Millisecond).Seconds()))
	g.log.LogAttrs(ctx, level, text, attrs...)
}

// messageAttrs are the fields that name a message.
func (g *Gate) messageAttrs(c store.ClaimInfo) []slog.Attr {
	attrs := []slog.Attr{slog.String("kind", "message"), slog.String("eventID", c.EventID), slog.String("triggerType", c.TriggerType)}
	if w := c.Window; w != nil {
		if g.correlated() {
			attrs = append(attrs, slog.String("correlationKey", w.Key))
		}
		attrs = append(attrs, slog.String("completion", string(w.Completion)))
		if w.Reason != "" {
			attrs = append(attrs, slog.String("reason", w.Reason))
		}
	}
	return append(attrs, slog.Int("events", c.NumberOfEvents))
}

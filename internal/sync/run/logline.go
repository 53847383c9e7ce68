package run

import (
	"context"
	"log/slog"
	"strings"
)

// logEnded writes the line of a run whose end was committed: at INFO, or at WARN if it
// failed or rejected rows, because a person should look at that. cause is the error that
// ended it, or nil; run may be nil or go on. People search by the fields, so these keep
// their names (docs/logs.md). Metrics come from other lines: see package telemetry.
func logEnded(ctx context.Context, log *slog.Logger, run *Run, cause error) {
	if run == nil || !run.State.Ended() {
		return
	}
	level, text := slog.LevelInfo, "a run ended"
	switch run.State {
	case Failed:
		level, text = slog.LevelWarn, "a run failed"
	case Partial:
		level, text = slog.LevelWarn, "a run rejected rows"
	}
	c := run.Counts
	attrs := []slog.Attr{
		slog.String("kind", "run"), slog.String("syncId", run.SyncID), slog.String("runId", run.ID),
		slog.String("method", string(run.Method)), slog.String("trigger", run.Trigger), slog.String("state", string(run.State)),
		slog.Int64("read", c.Read), slog.Int64("written", c.Created+c.Updated+c.Deleted), slog.Int64("rejected", c.Rejected),
		slog.Int64("conflicts", c.Conflicts),
		slog.Float64("durationSeconds", run.FinishedAt.Sub(run.StartedAt).Seconds()),
	}
	if run.EventID != "" {
		attrs = append(attrs, slog.String("eventID", run.EventID))
	}
	if cause != nil {
		attrs = append(attrs, slog.Any("error", cause))
	} else if len(run.Errors) > 0 {
		attrs = append(attrs, slog.String("error", strings.Join(run.Errors, "; ")))
	}
	log.LogAttrs(ctx, level, text, attrs...)
}

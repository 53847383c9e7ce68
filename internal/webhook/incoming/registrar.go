package incoming

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
)

// watchPage is the most watches that one query reads.
const watchPage = 200

// Lists returns the lists for which a process registers when it starts: those of
// SessionOptions.Lists, or else the default list, and those that sessions have open. The
// source may have forgotten them.
func (s *Sessions) Lists(ctx context.Context) ([]string, error) {
	if s.source.url == "" {
		return nil, nil
	}
	all := slices.Clone(s.source.always)
	if len(all) == 0 {
		all = []string{list.Default}
	}
	for after := ""; ; {
		docs, err := s.docs.List(ctx, store.Listing{Collection: watches, After: store.Position{ID: after}, Limit: watchPage})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			after = d.ID
			var w watch
			if err := json.Unmarshal(d.Body, &w); err != nil {
				return nil, err
			}
			if len(w.Sessions) > 0 && !slices.Contains(all, w.List) {
				all = append(all, w.List)
			}
		}
		if len(docs) < watchPage {
			return all, nil
		}
	}
}

// Register registers us with the source for a list, also if we are registered already.
func (s *Sessions) Register(ctx context.Context, id string) error {
	for {
		w, err := s.idleWatch(ctx, id)
		if err != nil {
			return err
		}
		if err = s.hold(ctx, w); err == nil {
			err = s.askAgain(ctx, w)
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// askAgain registers, and ends the hold. After a refusal, the outcome stays in doubt, so
// that the next session registers once more.
func (s *Sessions) askAgain(ctx context.Context, w *watch) error {
	refused := s.source.call(ctx, registerPath, w.List)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if refused == nil {
		w.Registered, w.AskingUntil = true, time.Time{}
	} else {
		w.AskingUntil = s.now()
	}
	if _, err := s.docs.Commit(ctx, []store.Write{w.write()}); err != nil && refused == nil {
		return err
	}
	return refused
}

// KeepRegistered registers for Lists, and tries again after a failure, until it succeeds or
// ctx ends. pause returns the time to wait after a number of failures; nil: the pauses of
// outgoing webhooks.
func (s *Sessions) KeepRegistered(ctx context.Context, pause func(failures int) time.Duration) {
	if s.source.url == "" {
		return
	}
	if pause == nil {
		pause = pauseAfter
	}
	var lists []string
	known := false
	for failures := 0; ; {
		var err error
		if !known {
			lists, err = s.Lists(ctx)
			known = err == nil
		}
		lists = slices.DeleteFunc(lists, func(id string) bool {
			refused := s.registerAtStart(ctx, id)
			err = errors.Join(err, refused)
			return refused == nil
		})
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if failures > 0 {
				s.log.Info("registered with echo.upstream")
			}
			return
		case failures == 0: // once, and not after each attempt
			s.log.Warn("not registered with echo.upstream: trying again", "lists", lists, "error", err)
		}
		failures++
		select {
		case <-time.After(pause(failures)):
		case <-ctx.Done():
			return
		}
	}
}

// registerAtStart registers for a list, unless another process of many did.
func (s *Sessions) registerAtStart(ctx context.Context, id string) error {
	if s.many {
		w, err := s.readWatch(ctx, id)
		if err != nil {
			return err
		}
		settled := w.rev != "" && w.AskingUntil.IsZero()
		if settled && (w.Registered || s.source.toAsk(w, false) == "" && !slices.Contains(s.source.always, id)) {
			return nil
		}
	}
	return s.Register(ctx, id)
}

// longestPause is the most time between two attempts to register.
const longestPause = 10 * time.Minute

func pauseAfter(failures int) time.Duration {
	wait, again := outbound.Pause(failures, 0)
	if !again || wait > longestPause {
		return longestPause
	}
	return wait
}

package app

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

// writable is a store that takes writes, or does not.
type writable struct {
	store.Driver
	err error
}

func (w *writable) Writable(context.Context) error { return w.err }

// The log says once that the store takes no writes, and what to do: also where it does not
// answer within the time of /readyz. A caller that left, or another part that failed first,
// says nothing about the store.
func TestLogSaysThatTheStoreTakesNoWrites(t *testing.T) {
	t.Parallel()
	expired, release := context.WithTimeout(t.Context(), 0)
	defer release()
	left, leave := context.WithCancel(t.Context())
	leave()
	for name, c := range map[string]struct {
		ctx  context.Context
		says int
	}{"it refuses": {t.Context(), 1}, "it does not answer": {expired, 1}, "the caller left": {left, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			s := &writable{err: context.DeadlineExceeded}
			a := &App{o: Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Store: s}}
			require.Error(t, a.storeReady(c.ctx))
			require.Error(t, a.storeReady(c.ctx))
			require.Equal(t, c.says, strings.Count(log.String(), `level=ERROR msg="the store takes no writes: this instance is not ready"`), log.String())
			require.Equal(t, c.says, strings.Count(log.String(), `next="run headgate doctor`))
			s.err = nil
			require.NoError(t, a.storeReady(t.Context()))
			require.Equal(t, c.says, strings.Count(log.String(), "the store takes writes again"))
		})
	}
}

package sourcetest

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

var contextTests = topic{
	"CancelledDuringAPull": func(f *fixture) {
		rows := f.put(0, 30)
		s := f.open()
		r, err := s.Pull(f.ctx, f.request(2))
		require.NoError(f, err)
		_, err = r.Next(f.ctx)
		require.NoError(f, err)

		cancelled, cancel := context.WithCancel(f.ctx)
		cancel()
		// A source that reads ahead may still return some pages, but it must end.
		for {
			if _, err = r.Next(cancelled); err != nil {
				break
			}
		}
		if !errors.Is(err, io.EOF) {
			require.ErrorIs(f, err, context.Canceled)
		}
		require.NoError(f, r.Close())
		f.same(rows, f.drain(s, f.request(10))) // the cancelled pull did no harm to the source
	},
	"CancelledBeforeAPull": func(f *fixture) {
		f.put(0, 30)
		s := f.open()
		cancelled, cancel := context.WithCancel(f.ctx)
		cancel()
		f.ends(func() {
			r, err := s.Pull(cancelled, f.request(2))
			if err != nil {
				return
			}
			for err == nil {
				_, err = r.Next(cancelled)
			}
			require.NoError(f, r.Close())
		})
	},
	"CancelledBeforeAPush": func(f *fixture) {
		if !f.h.Push {
			return
		}
		s := f.open()
		cancelled, cancel := context.WithCancel(f.ctx)
		cancel()
		f.ends(func() {
			_, err := s.Push(cancelled, f.spec(), []source.Change{f.create(1)})
			require.Error(f, err)
			require.Empty(f, f.place.Rows(f))
		})
	},
}

// ends asserts that do returns soon.
func (f *fixture) ends(do func()) {
	f.Helper()
	start := time.Now()
	do()
	require.Less(f, time.Since(start), 20*time.Second)
}

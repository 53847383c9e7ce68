package incoming_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (u *upstream) lists() (have []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.have {
		have = append(have, id)
	}
	return have
}

// forget makes the source lose its registrations, as one that keeps them in memory does.
func (u *upstream) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.have)
}

// A process that starts registers for the default list, and for those that sessions have
// open, because the source may have forgotten them.
func TestAStartRegisters(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		u := newUpstream(t)
		p := w.watching(u)
		p.KeepRegistered(t.Context(), nil)
		require.Equal(t, []string{"task-list-1"}, u.lists())
		require.NoError(t, p.Open(t.Context(), sessionX, "open"))
		require.NoError(t, p.Open(t.Context(), sessionX, "closed"))
		require.NoError(t, p.Open(t.Context(), sessionY, "open"))
		require.NoError(t, p.End(t.Context(), sessionX))
		u.forget()
		w.watching(u).KeepRegistered(t.Context(), nil)
		require.ElementsMatch(t, []string{"task-list-1", "open"}, u.lists())
		require.NoError(t, p.End(t.Context(), sessionY))
		require.Equal(t, []string{"task-list-1"}, u.lists())
	})
}

// While the source fails, a process tries again, and it registers once the source answers.
func TestAStartRegistersAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUpstream(t)
	u.set(503, nil)
	var failed []int
	w.watching(u).KeepRegistered(t.Context(), func(failures int) time.Duration {
		require.Empty(t, u.lists())
		if failed = append(failed, failures); failures == 3 {
			u.set(200, nil)
		}
		return time.Nanosecond
	})
	require.Equal(t, []int{1, 2, 3}, failed)
	require.Equal(t, []string{"task-list-1"}, u.lists())
}

// The last session of the default list unregisters, as in later versions of Fluid's
// example. A list that the configuration names stays registered.
func TestListsThatStayRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ always, left []string }{{nil, nil}, {[]string{"task-list-1", "l"}, []string{"task-list-1", "l"}}} {
		u := newUpstream(t)
		p := w.service(func(o *options) { o.Upstream, o.Lists = u.URL, c.always })
		p.KeepRegistered(t.Context(), nil)
		require.NoError(t, p.Open(t.Context(), sessionX, "task-list-1"))
		require.NoError(t, p.End(t.Context(), sessionX))
		require.ElementsMatch(t, c.left, u.lists())
	}
}

// In the cloud many processes start. They do not call the source if it is known what they
// would ask for, and they register what is missing.
func TestManyProcessesRegisterOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUpstream(t)
	one := func(o *options) { o.Upstream, o.Many, o.Lists = u.URL, true, []string{"l", "m"} }
	w.service(one).KeepRegistered(t.Context(), nil)
	require.ElementsMatch(t, []string{"l", "m"}, u.lists())
	calls := u.calls
	for range 3 {
		w.service(one).KeepRegistered(t.Context(), nil)
	}
	require.Equal(t, calls, u.calls)
	w.service(func(o *options) { one(o); o.Lists = []string{"l", "m", "n"} }).KeepRegistered(t.Context(), nil)
	require.Equal(t, calls+1, u.calls)
	require.ElementsMatch(t, []string{"l", "m", "n"}, u.lists())
}

// Without echo.upstream, nothing is called.
func TestNoUpstreamNoRegistration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.svc.KeepRegistered(t.Context(), func(int) time.Duration {
		require.Fail(t, "it tried")
		return 0
	})
}

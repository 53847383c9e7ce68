package outgoing_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/occurrence"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// briefly returns a context for calls that must not retry for ever.
func briefly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A registration after an unregistration starts from the beginning, even if documents of
// the first registration are left.
func TestRegisteringAnew(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		first := w.register(r, "l")
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		was, err := w.svc.Unregister(t.Context(), outgoing.Registration{URL: r.URL + "/hook", List: "l"})
		require.NoError(t, err)
		require.True(t, was)
		second := w.register(r, "l")
		require.Equal(t, first.ID, second.ID)
		ctx := briefly(t)
		_, err = w.svc.Receive(ctx, "l", "", []byte(tasks))
		require.NoError(t, err)
		require.NoError(t, ctx.Err(), "the fan-out retries for ever")
		require.Equal(t, 1, w.sweep(w.svc))
		require.Len(t, r.calls(), 3)
		_, list, err := w.svc.Deliveries(t.Context(), second.ID, 10)
		require.NoError(t, err)
		require.Len(t, list, 1, "deliveries of the first registration do not count")
		require.Equal(t, int64(3), list[0].Version)
		require.Equal(t, fault.NotFound, fault.CodeOf(w.svc.Retry(t.Context(), second.ID, 2)))
		require.NoError(t, w.svc.Retry(ctx, second.ID, 1), "documents of the first registration do not matter")
		require.Equal(t, 1, w.sweep(w.svc))
	})
}

// The same registration of the same URL again changes nothing.
func TestRegisteringTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		first := w.register(r, "l")
		w.receive("l", "", tasks)
		again, created, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL + "/hook", List: "l"})
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, outgoing.Plain, again.Format)
		require.NotEmpty(t, first.Secret)
		require.Empty(t, again.Secret, "only the first answer has it")
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc), "the newest")
		require.EqualValues(t, 2, w.targets()[0].Version)
	})
}

// A registration that would change another one is refused with the fields that differ, and how
// to change them. It changes nothing.
func TestRegisteringDifferently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ofList := outgoing.Registration{URL: "https://h/list", List: "l", Filter: "version > 1", Secret: "whsec_AAAAAAAAAAAAAAAAAAAAAA=="}
	types := outgoing.Registration{URL: "https://h/types", Types: []string{occurrence.Alert, occurrence.Message}, Subjects: []string{"a", "b"}}
	for _, r := range []outgoing.Registration{ofList, types} {
		_, created, err := w.svc.Register(t.Context(), r)
		require.NoError(t, err)
		require.True(t, created)
	}
	before := w.targets()
	types.Types, types.Subjects = []string{occurrence.Message, occurrence.Alert, occurrence.Alert}, []string{"b", "a"}
	for _, same := range []outgoing.Registration{ofList, types, {URL: ofList.URL, List: "l", Filter: ofList.Filter}} {
		_, created, err := w.svc.Register(t.Context(), same)
		require.NoError(t, err, "the order does not matter, nor does a secret that is left out")
		require.False(t, created)
	}
	for want, change := range map[string]func(l, t *outgoing.Registration){
		"types: to":          func(_, t *outgoing.Registration) { t.Types = t.Types[:1] },
		"subjects: to":       func(_, t *outgoing.Registration) { t.Subjects = nil },
		"types, filter: to":  func(_, t *outgoing.Registration) { t.Types, t.Filter = []string{occurrence.List}, "true" },
		"filter: to":         func(l, _ *outgoing.Registration) { l.Filter = "" },
		"filter, format: to": func(l, _ *outgoing.Registration) { l.Filter, l.Format = "version > 2", outgoing.CloudEvents },
		"another secret":     func(l, _ *outgoing.Registration) { l.Secret = "whsec_AAAAAAAAAAAAAAAAAAAAAQ==" },
	} {
		l, o := ofList, types
		change(&l, &o)
		_, _, err := w.svc.Register(t.Context(), l)
		if err == nil {
			_, _, err = w.svc.Register(t.Context(), o)
		}
		require.Equal(t, fault.Conflict, fault.CodeOf(err), want)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "whsec_")
	}
	require.Equal(t, before, w.targets())
}

// The URL alone ends its registration for the default list and that for types. With a list or
// types it ends that one only.
func TestTheURLAloneEndsItsRegistrations(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		url := "https://h/x"
		register := func(r outgoing.Registration) {
			_, _, err := w.svc.Register(t.Context(), r)
			require.NoError(t, err)
		}
		end := func(r outgoing.Registration) {
			was, err := w.svc.Unregister(t.Context(), r)
			require.NoError(t, err)
			require.True(t, was)
		}
		types := outgoing.Registration{URL: url, Types: []string{occurrence.Alert}}
		register(types)
		end(outgoing.Registration{URL: "https://H:443/x"})
		require.Empty(t, w.targets(), "no list was ever registered")

		for _, r := range []outgoing.Registration{types, {URL: url}, {URL: url, List: "l"}, {URL: "https://h/y"}} {
			register(r)
		}
		end(outgoing.Registration{URL: url})
		require.Len(t, w.targets(), 2, "another list, and another URL")
		register(types)
		register(outgoing.Registration{URL: url})
		end(outgoing.Registration{URL: url, List: list.Default})
		require.Len(t, w.targets(), 3)
		end(types)
		require.Len(t, w.targets(), 2)
	})
}

// A target unregisters and registers again during a call. The outcome of the call does not
// count for the new registration.
func TestRegisteringAnewWhileCalled(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 410, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var r *httptest.Server
			var once sync.Once
			calls := make(chan int, 10)
			r = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				answer := 204
				once.Do(func() {
					answer = status
					w.wait(time.Millisecond)
					_, err := w.svc.Unregister(context.Background(), outgoing.Registration{URL: r.URL, List: "l"})
					fail(t, err)
					_, _, err = w.svc.Register(context.Background(), outgoing.Registration{URL: r.URL, List: "l"})
					fail(t, err)
				})
				calls <- answer
				rw.WriteHeader(answer)
			}))
			defer r.Close()
			_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL, List: "l"})
			require.NoError(t, err)
			w.receive("l", "", tasks)
			w.sweep(w.svc)
			require.Len(t, w.targets(), 1)
			require.Equal(t, int64(1), w.targets()[0].Head)
			require.Zero(t, w.targets()[0].Failures)
			w.receive("l", "", tasks)
			require.Equal(t, 1, w.sweep(w.svc))
			require.Len(t, calls, 2)
		})
	}
}

package outgoing_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// A target gets the versions that its filter lets through, in order, and those about which
// the filter fails.
func TestFilter(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL, List: "l", Filter: `data["12"].priority > 5`})
		require.NoError(t, err)
		for _, data := range []string{
			`{"12":{"name":"a","priority":1}}`, `{"12":{"name":"a","priority":6}}`, `{"12":{"name":"a","priority":5}}`,
			`{"34":{"name":"no 12","priority":1}}`, `{"12":{"name":"a","priority":7}}`,
		} {
			w.receive("l", "", data)
			w.sweep(w.svc)
		}
		require.Equal(t, []int{2, 4, 5}, versionsOf(t, r))
		require.Equal(t, int64(5), w.targets()[0].Version)
		require.Zero(t, w.sweep(w.svc))
	})
}

// A filter sees a list whatever its size: data over a document's size are stored apart.
func TestAFilterSeesALargeList(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL, List: "l", Filter: `data["12"].priority > 5`})
		require.NoError(t, err)
		name := strings.Repeat("x", 2<<20)
		for _, priority := range []string{"1", "6", "5"} {
			w.receive("l", "", `{"12":{"name":"`+name+`","priority":`+priority+`}}`)
			w.sweep(w.svc)
		}
		require.Equal(t, []int{2}, versionsOf(t, r))
	})
}

// A version that waits is not replaced by one that the filter leaves out.
func TestAVersionThatIsLeftOutReplacesNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL, List: "l", Filter: `version != 2`})
	require.NoError(t, err)
	w.receive("l", "", tasks)
	w.receive("l", "", tasks)
	require.Equal(t, 1, w.sweep(w.svc))
	require.Equal(t, 1, versionOf(t, r.calls()[0]))
}

// versionsOf returns the versions that a receiver got.
func versionsOf(t *testing.T, r *receiver) (got []int) {
	t.Helper()
	for _, c := range r.calls() {
		got = append(got, versionOf(t, c))
	}
	return got
}

func TestBadFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, filter := range []string{"data.", "1 + 1", "'text'", "nothing == 1", strings.Repeat("true||", 200) + "true"} {
		_, _, err := w.svc.Register(t.Context(), outgoing.Registration{URL: "https://h/", List: "l", Filter: filter})
		require.Equal(t, fault.Invalid, fault.CodeOf(err), filter)
	}
	require.Empty(t, w.targets())
}

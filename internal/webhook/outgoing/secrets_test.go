package outgoing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// While a secret is rotated, a receiver that knows either of the two can verify each
// webhook. A day later the former one is worth nothing.
func TestRotation(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		before := w.register(r, "l")
		rotated, err := w.svc.Rotate(t.Context(), before.ID, "")
		require.NoError(t, err)
		require.NotEqual(t, before.Secret, rotated.Secret)
		verifies := func(secret string) bool {
			w.receive("l", "", tasks)
			w.sweep(w.svc)
			calls := r.calls()
			c := calls[len(calls)-1]
			_, err := signature.Verify([]string{secret}, c.header, c.body, w.now())
			return err == nil
		}
		require.True(t, verifies(before.Secret))
		require.True(t, verifies(rotated.Secret))
		require.Len(t, strings.Fields(r.calls()[0].header.Get("webhook-signature")), 2)
		require.Len(t, w.targets()[0].Former, 1)
		require.Empty(t, w.targets()[0].Secret)
		require.Empty(t, w.targets()[0].Former[0].Secret)

		w.wait(24*time.Hour - time.Second)
		require.True(t, verifies(before.Secret))
		w.wait(time.Second)
		require.False(t, verifies(before.Secret))
		require.True(t, verifies(rotated.Secret))
	})
}

// A rotation whose answer was lost can be repeated: a request that names the secret changes
// nothing the second time, and one that names none breaks no receiver.
func TestRotationIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReceiver(t)
	first := w.register(r, "l")
	const named = "whsec_AAECAwQFBgcICQoLDA0ODw=="
	for range 3 {
		got, err := w.svc.Rotate(t.Context(), first.ID, named)
		require.NoError(t, err)
		require.Equal(t, named, got.Secret)
	}
	known := []string{first.Secret, named}
	for range 3 {
		got, err := w.svc.Rotate(t.Context(), first.ID, "")
		require.NoError(t, err)
		known = append(known, got.Secret)
	}
	_, err := w.svc.Rotate(t.Context(), first.ID, "")
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "the number of signatures is bounded")
	w.receive("l", "", tasks)
	w.sweep(w.svc)
	for _, secret := range known {
		_, err := signature.Verify([]string{secret}, r.calls()[0].header, r.calls()[0].body, w.now())
		require.NoError(t, err)
	}
	_, err = w.svc.Rotate(t.Context(), first.ID, "short")
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	_, err = w.svc.Rotate(t.Context(), "none", "")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

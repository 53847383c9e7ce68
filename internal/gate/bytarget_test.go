package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
)

func TestMessagesAreSelectedByTarget(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	delivered := store.Target{Name: "bus", DeliveredAt: now}
	failed := store.Target{Name: "load", LastError: "gone"}
	waiting := store.Target{Name: "load", NextAttempt: now}
	several := func(state store.State, targets ...store.Target) store.ClaimInfo {
		return store.ClaimInfo{State: state, Targets: targets}
	}
	single := func(state store.State, published time.Time, w *store.Window) store.ClaimInfo {
		return store.ClaimInfo{Date: now, State: state, PublishedAt: published, Window: w}
	}
	for _, c := range []struct {
		name string
		at   AtTarget
		c    store.ClaimInfo
		want bool
	}{
		{"any state", AtTarget{Name: "load"}, several(store.Failed, delivered, failed), true},
		{"another target", AtTarget{Name: "other"}, several(store.Failed, delivered, failed), false},
		{"given up", AtTarget{Name: "load", State: TargetFailed}, several(store.Failed, delivered, failed), true},
		{"given up, while another target waits", AtTarget{State: TargetFailed}, several(store.Claimed, failed, store.Target{Name: "bus", NextAttempt: now}), true},
		{"one waits", AtTarget{State: TargetPending}, several(store.Claimed, delivered, waiting), true},
		{"state of another target", AtTarget{Name: "bus", State: TargetPending}, several(store.Claimed, delivered, waiting), false},
		{"one topic, published", AtTarget{Name: "pubsub", State: TargetDelivered}, single(store.Published, now, nil), true},
		{"one topic, waiting", AtTarget{Name: "pubsub", State: TargetPending}, single(store.Claimed, time.Time{}, nil), true},
		{"one topic of another name", AtTarget{Name: "load"}, single(store.Published, now, nil), false},
		{"dropped", AtTarget{Name: "pubsub"}, single(store.Dropped, time.Time{}, &store.Window{Completion: store.Expired}), false},
		{"dead letters", AtTarget{Name: "pubsub"}, single(store.Published, now, &store.Window{Completion: store.DeadLettered}), false},
	} {
		require.Equal(t, c.want, c.at.selects(c.c, "pubsub"), c.name)
	}
}

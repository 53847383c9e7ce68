package outgoing_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/firestorestore"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// crashing is a store whose process dies before or after some of its commits. After that,
// nothing from the process reaches the store or the target.
type crashing struct {
	store.Docs
	mu     sync.Mutex // several targets are called at the same time
	random *rand.Rand
	dead   bool
}

var errCrashed = errors.New("the process died")

func (c *crashing) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	died := c.dead || c.random.IntN(6) == 0
	if c.dead || died && c.random.IntN(2) == 0 {
		c.dead = true
		return nil, errCrashed
	}
	revs, err := c.Docs.Commit(ctx, writes)
	if died {
		c.dead = true
		return nil, errCrashed
	}
	return revs, err
}

// Wherever processes die, a target gets the newest version in the end and never an older
// one after a newer one. At most two deliveries wait: the newest and one under way.
func TestCrashesLoseNoNewestVersion(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		random := rand.New(rand.NewPCG(3, 4))
		r := newReceiver(t)
		w.register(r, "l")
		rounds := 300
		if _, ok := w.store.(*firestorestore.Store); ok { // its emulator takes long
			rounds = 40
		}
		for range rounds {
			s := w.service(func(o *outgoing.Options) { o.Docs = &crashing{Docs: w.store, random: random} })
			r.answer([]int{200, 200, 500}[random.IntN(3)])
			for range random.IntN(4) { // the source sends again what is not acknowledged, as another version
				_, _ = s.Receive(t.Context(), "l", "", []byte(tasks))
			}
			_, _ = s.Sweep(t.Context())
			require.LessOrEqual(t, w.targets()[0].Waiting(), int64(2))
			w.wait(time.Duration(random.IntN(int(time.Minute))))
			if x := w.targets()[0]; x.State == outgoing.Paused {
				require.NoError(t, w.svc.Retry(t.Context(), x.ID, x.Head))
			}
		}
		r.answer(200)
		for range 3 {
			w.wait(48 * time.Hour)
			w.sweep(w.svc)
		}
		l, err := w.svc.List(t.Context(), "l")
		require.NoError(t, err)
		last := 0
		for _, c := range r.calls() {
			require.GreaterOrEqual(t, versionOf(t, c), last)
			last = versionOf(t, c)
		}
		require.EqualValues(t, l.Version, last)
		require.Zero(t, w.targets()[0].Waiting())
	})
}

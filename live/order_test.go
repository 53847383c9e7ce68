package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

const (
	longestFetch = 40 * time.Millisecond // in these tests
	apart        = 101*time.Millisecond + longestFetch
)

// uneven is a resolver some of whose fetches take longer than others.
type uneven struct{ *entityWorld }

func (u uneven) Resolve(ctx context.Context, k live.Key, secret string) (live.State, error) {
	s, err := u.entityWorld.Resolve(ctx, k, secret)
	time.Sleep(rand.N(longestFetch))
	return s, err
}

// changing is a client that does not read while entities change.
type changing struct {
	*testing.T
	w       *entityWorld
	b       *blocked
	version int
}

func newChanging(t *testing.T, protocol live.Protocol, ids int) *changing {
	c := &changing{T: t, b: newBlocked()}
	c.w = newEntities(t, func(o *live.Options) {
		o.Resolver = func(live.Key) live.Resolver { return uneven{c.w} }
	})
	client := c.w.hub.Connect(c.b, protocol)
	for i := range ids {
		client.Handle(subscribeTo(fmt.Sprint(i)))
		if protocol == live.Versioned {
			require.Contains(t, <-c.b.frames, "subscribed")
		}
	}
	time.Sleep(time.Second) // until they have been fetched
	return c
}

// change changes the entities, one after the other.
func (c *changing) change(ids ...int) {
	for _, id := range ids {
		c.version++
		c.w.set(live.KeyOf("items", fmt.Sprint(id)), c.version)
		time.Sleep(apart)
	}
}

// read returns the ids of the next frames.
func (c *changing) read(n int) (ids []int) {
	c.Helper()
	for range n {
		var frame struct {
			ID int `json:"id,string"`
		}
		require.NoError(c, json.Unmarshal([]byte(<-c.b.frames), &frame))
		ids = append(ids, frame.ID)
	}
	return ids
}

// The states of entities that change further apart than Coalesce and a fetch are written in
// the order of their changes, however slowly the client reads.
func TestTheOrderOfChanges(t *testing.T) {
	t.Parallel()
	for _, protocol := range []live.Protocol{live.Plain, live.Versioned} {
		synctest.Test(t, func(t *testing.T) {
			const n = 6
			c := newChanging(t, protocol, n)
			for range 50 {
				changes := make([]int, 1+rand.IntN(11))
				for i := range changes {
					changes[i] = rand.IntN(n)
				}
				var want []int // of several changes that wait, the last counts
				for _, id := range changes[1:] {
					want = append(slices.DeleteFunc(want, func(x int) bool { return x == id }), id)
				}
				want = append([]int{changes[0]}, want...) // the first is being written when the others come
				c.change(changes...)
				require.Equal(t, want, c.read(len(want)), "changes: %v", changes)
			}
			c.b.Close(0, "")
		})
	}
}

// An entity that changes all the time is written in its turn, even if the client is always
// behind.
func TestAnEntityThatChangesAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChanging(t, live.Plain, 15)
		c.change(1, 0)
		for id := 2; id < 15; id++ {
			c.change(id, 0)
		}
		require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 12, 13, 14}, c.read(15))
		c.b.Close(0, "")
	})
}

package live_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// large is a resolver whose states have a size.
type large struct{ bytes int }

func (large) PerSecret() bool { return false }

func (l large) Resolve(_ context.Context, k live.Key, _ string) (live.State, error) {
	return live.State{Version: fmt.Sprint(rand.Uint64()), Rows: [][]byte{fmt.Appendf(nil, `{"id":%q,"text":%q}`, k.ID, strings.Repeat("x", l.bytes))}}, nil
}

func newLarge(t *testing.T, bytes int, memory int64) *entityWorld {
	return newEntities(t, func(o *live.Options) {
		o.MaxMemory = memory
		o.Resolver = func(live.Key) live.Resolver { return large{bytes} }
	})
}

// The frames that wait for clients that do not read are bounded for all of them together.
// These clients are closed and told to try again later. A client that reads gets everything.
func TestClientsThatDoNotReadAreClosedForTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLarge(t, 100_000, 10<<20)
		var slow []*blocked
		for range 5 {
			s := newBlocked()
			w.hub.Connect(s, live.Versioned).Handle(subscribeTo("*"))
			slow = append(slow, s)
		}
		reader := newBlocked()
		c := w.hub.Connect(reader, live.Versioned)
		c.Handle(subscribeTo("*"))
		got := map[string]bool{}
		go func() {
			for {
				select {
				case f := <-reader.frames:
					if strings.HasPrefix(f, `{"type":"entity"`) {
						got[f[:60]] = true
					}
				case <-reader.over:
					return
				}
			}
		}()
		for i := range 200 {
			w.hub.NotifyLocal(live.KeyOf("items", fmt.Sprint(i)))
			time.Sleep(10 * time.Millisecond)
			require.LessOrEqual(t, w.hub.Used(), int64(10<<20))
		}
		time.Sleep(2 * live.Patience)
		synctest.Wait()
		for _, s := range slow {
			select {
			case <-s.over:
				require.Equal(t, 1013, s.code)
			default:
				require.Fail(t, "a client that does not read is still there")
			}
		}
		require.Len(t, got, 200)
		require.Equal(t, 1, w.hub.Len())
		stats := w.hub.Stats()
		require.Equal(t, 1, stats.Clients)
		require.Equal(t, 1, stats.Subscriptions)
		require.EqualValues(t, len(slow), stats.Dropped)
		require.GreaterOrEqual(t, stats.Frames, uint64(200))
		c.Close()
		synctest.Wait()
		require.Zero(t, w.hub.Used())
		require.EqualValues(t, len(slow), w.hub.Stats().Dropped, "one that leaves is not dropped")
	})
}

// A client that reads slowly is not closed, however much waits for it. At worst it delays
// the fetches for others.
func TestAClientThatReadsSlowlyStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLarge(t, 100_000, 4<<20)
		idle := newBlocked()
		w.hub.Connect(idle, live.Versioned).Handle(subscribeTo("*"))
		reader := newBlocked()
		c := w.hub.Connect(reader, live.Versioned)
		c.Handle(subscribeTo("*"))
		for i := range 100 {
			w.hub.NotifyLocal(live.KeyOf("items", fmt.Sprint(i)))
		}
		got := map[string]bool{}
		for len(got) < 100 {
			time.Sleep(live.Patience / 2)
			select {
			case f := <-reader.frames:
				if strings.HasPrefix(f, `{"type":"entity"`) {
					got[f[:60]] = true
				}
			case <-reader.over:
				require.FailNow(t, "closed", "%d after %d of 100", reader.code, len(got))
			}
			require.LessOrEqual(t, w.hub.Used(), int64(4<<20))
		}
		<-idle.over
		require.Equal(t, 1013, idle.code)
		c.Close()
		synctest.Wait()
		require.Zero(t, w.hub.Used())
	})
}

// Subscriptions are bounded for all clients together.
func TestSubscriptionsAreBoundedForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLarge(t, 10, 4<<20)
		subscribed, refused := 0, 0
		var clients []*blocked
		for n := range 10 {
			f := newBlocked()
			clients = append(clients, f)
			c := w.hub.Connect(f, live.Versioned)
			for i := range 500 {
				c.Handle(subscribeTo(fmt.Sprintf("%d-%d", n, i)))
				switch answer := <-f.frames; {
				case strings.Contains(answer, `"type":"subscribed"`):
					subscribed++
				case strings.Contains(answer, `"code":"limit"`):
					refused++
				default:
					require.Fail(t, answer)
				}
			}
		}
		require.Positive(t, subscribed)
		require.Equal(t, 5000, subscribed+refused)
		require.Less(t, subscribed, 4<<20/1500)
		plain := newBlocked() // a Plain client cannot be told
		w.hub.Connect(plain, live.Plain).Handle(subscribeTo("x"))
		<-plain.over
		require.Equal(t, 1013, plain.code)

		r := httptest.NewRecorder()
		err := w.hub.ServeEventStream(r, httptest.NewRequest("GET", "/live?entity=items&id=1", nil), live.Access{})
		require.ErrorContains(t, err, "no memory")

		for _, f := range clients { // they hang up, or Drain would wait for them to read
			f.Close(0, "")
		}
		w.hub.Drain()
		synctest.Wait()
		require.Zero(t, w.hub.Len())
		require.Zero(t, w.hub.Used())
	})
}

// A client that sends faster than it reads is not closed when memory is short. The hub
// reads from it no faster than it reads.
func TestClientsAreReadNoFasterThanTheyRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLarge(t, 10, 4<<20)
		const clients, each = 10, 900
		var sent atomic.Int64
		all := make([]*blocked, clients)
		for n := range all {
			all[n] = newBlocked()
			defer all[n].Close(0, "")
			c := w.hub.Connect(all[n], 2)
			go func() {
				for i := range each {
					c.Handle(subscribeTo(fmt.Sprintf("%d-%d", n, i)))
					c.Pace()
					sent.Add(1)
				}
			}()
		}
		synctest.Wait()
		require.Less(t, sent.Load(), int64(clients*each))
		require.Less(t, w.hub.Used(), int64(4<<20)/100*75)
		require.Equal(t, clients, w.hub.Len())
		for _, f := range all {
			for range each {
				<-f.frames
			}
		}
		synctest.Wait()
		require.Equal(t, int64(clients*each), sent.Load())
		require.Equal(t, clients, w.hub.Len())

		c := w.hub.Connect(newBlocked(), live.Versioned)
		require.True(t, w.hub.TryMemory(4<<20-w.hub.Used()-2000)) // a client that leaves ends the wait
		c.Handle(`{"action":"dance"}`)
		c.Handle(`{"action":"dance"}`)
		time.AfterFunc(time.Second, c.Close)
		c.Pace()
	})
}

// Whatever clients do, all memory is given back when they are gone.
func TestClientsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newLarge(t, 2000, 2<<20)
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(n)))
				f := newBlocked()
				c := w.hub.Connect(f, live.Protocol(1+n%2))
				for range 200 {
					id := fmt.Sprint(random.IntN(50))
					switch random.IntN(8) {
					case 0, 1:
						c.Handle(subscribeTo(id))
					case 2:
						c.Handle(fmt.Sprintf(`{"action":"unsubscribe","body":{"entity":"items","id":%q}}`, id))
					case 3:
						c.Handle(fmt.Sprintf(`{"action":"secret","body":%q}`, id))
					case 4:
						c.Handle(subscribeTo("*"))
					case 5:
						c.Handle(fmt.Sprintf(`{"action":"subscribe","body":{"entity":"default/items","id":%q,"have":""}}`, id))
					case 6:
						w.hub.NotifyLocal(live.KeyOf("items", id))
					case 7:
						select { // it reads a frame
						case <-f.frames:
						case <-time.After(time.Duration(random.IntN(100)) * time.Millisecond):
						}
					}
				}
				c.Close()
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Zero(t, w.hub.Len())
		require.Zero(t, w.hub.Used())
	})
}

// Not parallel: it measures the heap.
func TestNothingWeighsMoreThanItCounts(t *testing.T) {
	hub := live.New(live.Options{
		Resolver: func(live.Key) live.Resolver { return large{10} }, MaxSubscriptions: 1 << 20, MaxMemory: 1 << 40, Coalesce: time.Hour,
	})
	f := newBlocked()
	c := hub.Connect(f, live.Plain)
	before, counted := heap(), hub.Used()
	const n = 10_000
	for i := range n {
		c.Handle(subscribeTo(fmt.Sprintf("%08d", i)))
	}
	weighs, counted := heap()-before, hub.Used()-counted
	t.Logf("a subscription weighs %d bytes and counts %d", weighs/n, counted/n)
	require.Less(t, weighs, counted)

	busy := newBlocked()
	other := hub.Connect(busy, live.Versioned)
	before, counted = heap(), hub.Used()
	const answers = 1500
	for range answers {
		other.Handle(`{"action":"dance"}`)
	}
	weighs, counted = heap()-before, hub.Used()-counted
	t.Logf("an answer weighs %d bytes and counts %d", weighs/answers, counted/answers)
	require.Less(t, weighs, counted)
	f.Close(0, "") // Close would wait for clients that do not read: these hang up
	busy.Close(0, "")
	require.NoError(t, hub.Close(t.Context()))
	require.Zero(t, hub.Used())
	runtime.KeepAlive(c)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

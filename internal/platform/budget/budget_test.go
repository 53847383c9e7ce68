package budget_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
)

func TestTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(100)
		require.NoError(t, b.Take(t.Context(), 60))
		require.True(t, b.Try(40))
		require.False(t, b.Try(1))
		require.Equal(t, int64(100), b.Used())

		begin := time.Now()
		err := b.Take(t.Context(), 1)
		require.Equal(t, fault.Unavailable, fault.CodeOf(err))
		require.Positive(t, err.(*fault.Error).RetryAfter)
		require.Equal(t, 3*time.Second, time.Since(begin))

		require.Equal(t, fault.TooLarge, fault.CodeOf(b.Take(t.Context(), 101)), "waiting would be useless")

		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, b.Take(gone, 1), context.Canceled)

		got := make(chan error)
		go func() { got <- b.Take(t.Context(), 50) }()
		synctest.Wait()
		b.Give(60)
		require.NoError(t, <-got, "returned bytes go to the waiting caller")
		b.Give(90)
		require.Zero(t, b.Used())
	})
}

func TestHold(t *testing.T) {
	t.Parallel()
	b := budget.New(100)
	h := b.Hold()
	require.NoError(t, h.Grow(t.Context(), 30))
	require.NoError(t, h.Grow(t.Context(), 30))
	require.Equal(t, fault.TooLarge, fault.CodeOf(h.Grow(t.Context(), 50)), "it would wait for itself")
	require.Equal(t, int64(60), b.Used())
	h.Shrink(50)
	h.Shrink(70)
	require.Equal(t, int64(50), b.Used())
	require.NoError(t, h.Resize(t.Context(), 1000), "the whole budget")
	require.Equal(t, int64(100), b.Used())
	other := h.Share()
	h.Release()
	require.Equal(t, int64(100), b.Used(), "the other owner still needs it")
	other.Release()
	require.Zero(t, b.Used())
}

// When holds need each other's memory, one of them gets what the others release.
func TestExtend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(100)
		var failed, served atomic.Int64
		var wg sync.WaitGroup
		begin := time.Now()
		holds := make([]*budget.Hold, 10)
		for i := range holds {
			holds[i] = b.Hold()
			require.NoError(t, holds[i].Extend(t.Context(), 10))
		}
		for _, h := range holds {
			wg.Go(func() {
				defer h.Release()
				if err := h.Extend(t.Context(), 60); err != nil {
					require.Equal(t, fault.Unavailable, fault.CodeOf(err))
					require.Equal(t, int64(10), h.Bytes())
					failed.Add(1)
					return
				}
				served.Add(1)
			})
		}
		wg.Wait()
		require.Positive(t, served.Load())
		require.Equal(t, int64(10), served.Load()+failed.Load())
		require.Less(t, time.Since(begin), 3*time.Second)
		require.Zero(t, b.Used())

		h := b.Hold()
		require.Equal(t, fault.TooLarge, fault.CodeOf(h.Extend(t.Context(), 101)))
		require.True(t, b.Try(100))
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, h.Extend(gone, 1), context.Canceled)
		begin = time.Now()
		require.Equal(t, fault.Unavailable, fault.CodeOf(h.Extend(t.Context(), 1)))
		require.Equal(t, 3*time.Second, time.Since(begin), "the hold whose turn it is waits the whole time")
	})
}

func TestNilHasNoBound(t *testing.T) {
	t.Parallel()
	var b *budget.Budget
	require.NoError(t, b.Take(t.Context(), 1<<60))
	require.True(t, b.Try(1<<60))
	b.Give(1 << 60)
	require.Zero(t, b.Used()+b.Total())
	h := b.Hold()
	require.NoError(t, h.Grow(t.Context(), 1<<60))
	require.NoError(t, h.Resize(t.Context(), 1<<60))
	h.Shrink(0)
	require.Zero(t, h.Share().Bytes())
	h.Release()
}

// In any sequence of calls, holders together never have more than the budget, and in
// the end the budget has everything back.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		total := rapid.Int64Range(1, 1000).Draw(rt, "total")
		b := budget.New(total)
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond) // this test does not wait for memory
		defer cancel()
		var wg sync.WaitGroup
		for range rapid.IntRange(1, 5).Draw(rt, "holders") {
			type step struct {
				what string
				n    int64
			}
			steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
				return step{rapid.SampledFrom([]string{"grow", "shrink", "resize", "share", "take", "try"}).Draw(rt, "what"), rapid.Int64Range(0, 2*total).Draw(rt, "n")}
			}), 0, 20).Draw(rt, "steps")
			wg.Go(func() {
				h, owners := b.Hold(), 1
				for _, s := range steps {
					switch s.what {
					case "grow":
						_ = h.Grow(ctx, s.n)
					case "shrink":
						h.Shrink(s.n)
					case "resize":
						_ = h.Resize(ctx, s.n)
					case "share":
						h.Share()
						owners++
					case "take":
						if b.Take(ctx, s.n) == nil {
							b.Give(s.n)
						}
					case "try":
						if b.Try(s.n) {
							b.Give(s.n)
						}
					}
					if h.Bytes() > total {
						panic(fmt.Sprintf("%d of %d held", h.Bytes(), total))
					}
				}
				for range owners {
					h.Release()
				}
			})
		}
		wg.Wait()
		require.Zero(rt, b.Used())
		require.True(rt, b.Try(total), "everything was returned")
	})
}

func TestDivide(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{1 << 20, 64 << 20, 192 << 20, 448 << 20, 921 << 20, 1 << 40} {
		m := budget.Divide(limit)
		sum := int64(0)
		for _, b := range []*budget.Budget{m.Requests, m.Answers, m.Work, m.Runs, m.Live} {
			require.Positive(t, b.Total())
			sum += b.Total()
		}
		require.Less(t, sum, limit*95/100, "of %d", limit)
	}
	require.GreaterOrEqual(t, budget.Divide(192<<20).Requests.Total(), int64(3*16<<20), "a full batch goes into the smallest process")
	require.Equal(t, budget.Memory{}, budget.Divide(0))
}

// Not parallel: it measures the heap.
func TestDecodedJSONWeighsNoMore(t *testing.T) {
	var wide strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&wide, `,"%x":%d`, i, i)
	}
	const n = 200_000
	for name, text := range map[string]string{
		"numbers": "[1" + strings.Repeat(",1", n) + "]",
		"strings": `["a"` + strings.Repeat(`,"a"`, n) + "]",
		"arrays":  "[[]" + strings.Repeat(",[]", n) + "]",
		"objects": "[{}" + strings.Repeat(",{}", n) + "]",
		"rows":    `[{"a":1,"b":2}` + strings.Repeat(`,{"a":1,"b":2}`, n) + "]",
		"members": "{" + wide.String()[1:] + "}",
		"deep":    strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"text":    `["` + strings.Repeat("x", 4<<20) + `"]`,
		"escaped": `["` + strings.Repeat(`\u0001`, 1<<20) + `"]`,
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			var v any
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			require.NoError(t, d.Decode(&v))
			weighs := heap() - before
			runtime.KeepAlive(v)
			counted := budget.OfJSON([]byte(text))
			t.Logf("%d bytes: %d decoded, %d counted", len(text), weighs, counted)
			require.LessOrEqual(t, weighs, counted)
			require.Less(t, counted, int64(200*len(text)+1000))
		})
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkHold measures what the budget adds to a request.
func BenchmarkHold(b *testing.B) {
	all := budget.New(1 << 30)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h := all.Hold()
			if h.Grow(b.Context(), 5000) != nil {
				b.Fail()
			}
			h.Share().Release()
			h.Release()
		}
	})
}

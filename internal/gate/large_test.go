package gate_test

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// A window of a million events on SQLite, and of fifty thousand on Firestore, is one message,
// although the instances die again and again. The memory does not depend on its size.
func TestLargeWindow(t *testing.T) {
	if os.Getenv("HEADGATE_LARGE") == "" {
		t.Skip("HEADGATE_LARGE is not set")
	}
	t.Run("sqlite", func(t *testing.T) { largeWindow(t, drivertest.SQLite(t), 1_000_000) })
	t.Run("firestore", func(t *testing.T) { largeWindow(t, drivertest.Firestore(t), 50_000) })
}

func largeWindow(t *testing.T, st drivertest.Store, events int) {
	p := newPair(t, st, "", window.All, window.All, st.MaxClaim())
	t.Cleanup(func() { p.close(0); p.close(1) })
	began := time.Now()
	fillLarge(p, events)
	t.Logf("%d events stored in %s", events, time.Since(began).Round(time.Second))

	began = time.Now()
	peak := watchHeap()
	p.conn[0].left = rand.N(4)
	p.send(0, "b", 1)
	deaths := 0
	for len(p.bus.ids()) == 0 {
		n := rand.N(2)
		for i := range p.one {
			p.idle()
			if p.conn[i].left == 0 {
				p.start(i)
				deaths++
			}
		}
		p.conn[n].left, p.conn[n].lost = -1, false
		if deaths < 8 {
			p.conn[n].left, p.conn[n].lost = rand.N(max(2, events/50_000)), rand.N(2) == 0
		}
		p.ran += time.Minute
		_, err := p.one[n].Sweep(context.Background())
		if err != nil { // the instance died, or an emulator is too busy to answer: somebody goes on later
			t.Log(err)
		}
		p.idle()
		require.Less(t, time.Since(began), 20*time.Minute)
	}
	t.Logf("claimed and published in %s with %d deaths, %d MiB of heap at most", time.Since(began).Round(100*time.Millisecond), deaths, peak()>>20)

	began, peak = time.Now(), watchHeap()
	id := p.bus.ids()[0]
	r, w := io.Pipe()
	go func() { w.CloseWithError(p.one[1].WriteMessage(context.Background(), id, w, func(int) {})) }()
	n, sum := idsOf(t, r)
	t.Logf("read in %s, %d MiB of heap at most", time.Since(began).Round(100*time.Millisecond), peak()>>20)
	require.Equal(t, events+1, n)
	require.Equal(t, id, sum)
	infos, err := p.one[0].Messages(context.Background(), store.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, infos, 1)
	require.Equal(t, events+1, infos[0].NumberOfEvents)
}

// fillLarge stores events of the endpoint a, without a check.
func fillLarge(p *pair, events int) {
	at := p.began
	const batch = 250
	var all sync.WaitGroup
	room := make(chan struct{}, 8)
	for from := 0; from < events; from += batch {
		reqs := make([]store.Append, min(batch, events-from))
		for i := range reqs {
			at = at.Add(time.Microsecond)
			reqs[i] = store.Append{
				Event:    event.Event{ID: event.NewID(at), Key: "a", ReceivedAt: at, Meta: event.Meta{Method: "POST"}, Content: []byte("x")},
				Endpoint: store.Endpoint{Service: p.cfg.ServiceName, Key: "a"}, Attempt: event.RandomID(), ExpireAt: at.Add(7 * 24 * time.Hour),
			}
		}
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			for tries := 0; len(reqs) > 0; tries++ { // an emulator may be too busy to answer
				var rest []store.Append
				for i, r := range p.store.Append(context.Background(), reqs) {
					if r.Err != nil {
						require.Less(p, tries, 10, "%v", r.Err)
						rest = append(rest, reqs[i])
					}
				}
				reqs = rest
			}
		})
	}
	all.Wait()
	p.ran += at.Sub(p.began) + time.Second
}

// idsOf reads a message, and returns the number of its events and the MD5 of their ids.
func idsOf(t *testing.T, r io.Reader) (n int, sum string) {
	h := md5.New()
	d := json.NewDecoder(bufio.NewReaderSize(r, 1<<16))
	path := []string{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			return n, hex.EncodeToString(h.Sum(nil))
		}
		require.NoError(t, err)
		switch v := token.(type) {
		case json.Delim:
			if strings.ContainsRune("{[", rune(v)) {
				path = append(path, v.String())
			} else {
				path = path[:len(path)-1]
			}
		case string:
			if v == "id" && len(path) == 5 { // message, events, endpoint, its events, event
				token, err = d.Token()
				require.NoError(t, err)
				h.Write([]byte(token.(string)))
				n++
			}
		}
	}
}

// watchHeap samples the heap until the returned function is called, which returns the most.
func watchHeap() (peak func() uint64) {
	runtime.GC()
	done, most := make(chan struct{}), make(chan uint64)
	go func() {
		var m runtime.MemStats
		top := uint64(0)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&m)
			top = max(top, m.HeapAlloc)
			select {
			case <-done:
				most <- top
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 { close(done); return <-most }
}

package live_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// entityWorld is a set of entities and a hub without a network, for tests whose time is
// synctest's.
type entityWorld struct {
	hub *live.Hub

	mu       sync.Mutex
	versions map[live.Key]int // 0: gone
	fetches  int
	told     int // fetches because a change was announced
	failing  bool
}

func newEntities(t *testing.T, change func(*live.Options)) *entityWorld {
	w := &entityWorld{versions: map[live.Key]int{}}
	o := live.Options{Resolver: func(live.Key) live.Resolver { return w }, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	w.hub = live.New(o)
	w.hub.Start()
	t.Cleanup(func() { require.NoError(t, w.hub.Close(context.Background())) })
	return w
}

func (*entityWorld) PerSecret() bool { return false }

func (w *entityWorld) Resolve(ctx context.Context, k live.Key, _ string) (live.State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetches++
	if live.Announced(ctx) {
		w.told++
	}
	if w.failing {
		return live.State{}, errors.New("away")
	}
	v := w.versions[k]
	if v == 0 {
		return live.State{Gone: true}, nil
	}
	return live.State{Version: fmt.Sprint(v), Rows: [][]byte{fmt.Appendf(nil, `{"id":%q,"v":%d}`, k.ID, v)}}, nil
}

// set changes an entity and tells the hub.
func (w *entityWorld) set(k live.Key, v int) {
	w.setSilently(k, v)
	w.hub.NotifyLocal(k)
}

// setSilently changes an entity, and no message about it arrives.
func (w *entityWorld) setSilently(k live.Key, v int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions[k] = v
}

// announced returns how many fetches there were because a change was announced.
func (w *entityWorld) announced() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told
}

// fail makes fetches fail, or succeed again.
func (w *entityWorld) fail(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing = yes
}

// tried returns how many fetches there were.
func (w *entityWorld) tried() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fetches
}

// blocked is a transport whose peer does not read until the test takes a frame.
type blocked struct {
	frames chan string
	once   sync.Once
	over   chan struct{} // closed when the connection is
	code   int           // of the close
}

func newBlocked() *blocked { return &blocked{frames: make(chan string), over: make(chan struct{})} }

func (b *blocked) Write(frame []byte, _ bool) error {
	select {
	case b.frames <- string(frame):
		return nil
	case <-b.over:
		return net.ErrClosed
	}
}

func (b *blocked) Ping() error { return nil }

func (b *blocked) Close(code int, _ string) {
	b.once.Do(func() { b.code = code; close(b.over) })
}

// subscribeTo returns a frame that subscribes to items.
func subscribeTo(id string) string {
	return fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":%q}}`, id)
}

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// dial connects a client of protocol 2. If it is refused, dial returns nil and the status.
func (p *limited) dial(t *testing.T) (*websocket.Conn, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(p.base, "http")+"/ws/entity-sync/?protocol=2", nil)
	if err != nil {
		require.NotNil(t, resp, "no answer: %v", err)
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
		return nil, resp.StatusCode
	}
	c.SetReadLimit(-1)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, 0
}

// put writes n records of a size, and retries each until it is stored.
func (p *limited) put(t *testing.T, n, size int) {
	t.Helper()
	body := fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", size))
	for i := range n {
		eventually(t, "a record is written", func() error {
			resp, text, err := p.call("PUT", fmt.Sprintf("/orgs/default/items/%d", i), body)
			if err == nil && resp.StatusCode >= 300 {
				err = fmt.Errorf("%s: %s", resp.Status, text)
			}
			return err
		})
	}
}

var entityID = regexp.MustCompile(`^{"type":"entity".*"id":"([^"]+)"`)

// Clients that do not read are disconnected when the changes that wait for them take too
// much memory. A client that reads stays connected, and gets every change.
func TestAttackMemoryClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	clients, records, limit := 10, 60, 256
	if os.Getenv("HEADGATE_ATTACK") != "" {
		clients, records, limit = 50, 600, 1024
	}
	p := startLimited(t, limit*mib, options{env: events("")})
	subscribe := []byte(`{"action":"subscribe","body":{"entity":"items","id":"*"}}`)
	for range clients {
		c, _ := p.dial(t)
		require.NotNil(t, c)
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, subscribe))
	}
	c, _ := p.dial(t)
	require.NotNil(t, c)
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, subscribe))
	var seen sync.Map
	done := make(chan error, 1)
	go func() {
		for {
			_, r, err := c.Reader(t.Context())
			if err != nil {
				done <- err
				return
			}
			start := make([]byte, 200) // the type and the id; the rest is not decoded, so that the client is fast on any machine
			n, err := io.ReadFull(r, start)
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				done <- err
				return
			}
			if id := entityID.FindSubmatch(start[:n]); id != nil {
				seen.Store(string(id[1]), true)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				done <- err
				return
			}
		}
	}()
	p.put(t, records, 800_000)
	eventually(t, "the client that reads has seen all", func() error {
		select {
		case err := <-done:
			require.NoError(t, err, "it was closed")
		default:
		}
		n := 0
		seen.Range(func(any, any) bool { n++; return true })
		if n < records {
			return fmt.Errorf("%d of %d", n, records)
		}
		return nil
	})
	p.survives(t)
	list := read[struct{ Records []struct{ ID string } }](t, p.process, "GET", "/orgs/default/items?limit=3")
	require.NotEmpty(t, list.Records)
}

// subscribeAll subscribes a client to n entities of its own, and counts the answers.
func subscribeAll(ctx context.Context, c *websocket.Conn, who, n int, subscribed, refused *atomic.Int64) error {
	done := make(chan error, 1)
	go func() {
		for range n {
			_, frame, err := c.Read(ctx)
			if err != nil {
				done <- err
				return
			}
			var f struct{ Type, Code string }
			if err := json.Unmarshal(frame, &f); err != nil {
				done <- err
				return
			}
			switch {
			case f.Type == "subscribed":
				subscribed.Add(1)
			case f.Type == "error" && f.Code == "limit":
				refused.Add(1)
			case f.Type == "welcome":
			default:
				done <- fmt.Errorf("answered with %s", frame)
				return
			}
		}
		done <- nil
	}()
	for i := range n {
		frame := fmt.Sprintf(`{"action":"subscribe","body":{"entity":"items","id":"%d-%d"}}`, who, i)
		if err := c.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
			return err
		}
	}
	return <-done
}

func TestAttackMemorySubscriptions(t *testing.T) {
	t.Parallel()
	rounds, each, limit := []int{60}, 500, 256
	if os.Getenv("HEADGATE_ATTACK") != "" {
		rounds, each, limit = []int{250, 1000}, 1000, 1024
	}
	for _, clients := range rounds {
		t.Run(fmt.Sprintf("%d clients with %d", clients, each), func(t *testing.T) {
			p := startLimited(t, limit*mib, options{env: events("")})
			var subscribed, refused, turnedAway, closed atomic.Int64
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			at := make(chan struct{}, 50) // bounds how many connect at once
			for who := range clients {
				wg.Go(func() {
					at <- struct{}{}
					c, status := p.dial(t)
					<-at
					if c == nil {
						require.Equal(t, 503, status)
						turnedAway.Add(1)
						return
					}
					if err := subscribeAll(ctx, c, who, each, &subscribed, &refused); err != nil {
						closed.Add(1)
						if websocket.CloseStatus(err) != 1013 && !errors.Is(err, net.ErrClosed) {
							t.Logf("client %d: %v", who, err)
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%d subscribed, %d refused, %d clients turned away, %d closed", subscribed.Load(), refused.Load(), turnedAway.Load(), closed.Load())
			require.Positive(t, subscribed.Load())
			require.Zero(t, closed.Load(), "a client that reads what it is told is not closed")
			p.survives(t)
		})
	}
}

package live_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/headgate/headgate/live"
)

// item is an entity of the examples.
type item struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// itemStore stands for a database.
type itemStore struct {
	mu    sync.Mutex
	names map[string]string
}

func newItems() *itemStore { return &itemStore{names: map[string]string{}} }

func (s *itemStore) find(_ context.Context, id string) (item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return item{id, s.names[id]}, nil
}

func (s *itemStore) rename(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[id] = name
}

// exampleClient is a client of the examples. It panics on failure, because an example has no
// testing.T.
type exampleClient struct{ conn *websocket.Conn }

// connect connects a Plain client, which sends the frames. Subscriptions of Plain clients
// are not acknowledged, so connect waits until the hub has them and receives changes.
func connect(hub *live.Hub, server *httptest.Server, frames ...string) *exampleClient {
	before, wanted := subscriptions(hub), strings.Count(strings.Join(frames, ""), `"subscribe"`)
	c := dialExample(server, "")
	for _, f := range frames {
		c.send(f)
	}
	for deadline := time.Now().Add(30 * time.Second); !hub.Connected() || subscriptions(hub) < before+wanted; {
		if time.Now().After(deadline) {
			panic("the hub does not connect the client")
		}
		time.Sleep(time.Millisecond)
	}
	return c
}

func subscriptions(hub *live.Hub) (n int) {
	for _, c := range hub.Clients() {
		n += c.Count
	}
	return n
}

// dialVersioned connects a Versioned client.
func dialVersioned(server *httptest.Server) *exampleClient {
	c := dialExample(server, "?protocol=2")
	c.next() // welcome
	return c
}

func dialExample(server *httptest.Server, query string) *exampleClient {
	conn, _, err := websocket.Dial(context.Background(), server.URL+"/ws/entity-sync/"+query, nil)
	if err != nil {
		panic(err)
	}
	return &exampleClient{conn}
}

func (c *exampleClient) send(frame string) {
	if err := c.conn.Write(context.Background(), websocket.MessageText, []byte(frame)); err != nil {
		panic(err)
	}
}

// next returns the next frame.
func (c *exampleClient) next() string {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, frame, err := c.conn.Read(ctx)
	if err != nil {
		panic(err)
	}
	return string(frame)
}

func (c *exampleClient) close() { _ = c.conn.CloseNow() }

package live_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/headgate/headgate/live"
)

// counters is a resolver of entities that have versions. All clients see the same, so one
// fetch serves them all.
type counters map[string]int

func (counters) PerSecret() bool { return false }

func (c counters) Resolve(_ context.Context, key live.Key, _ string) (live.State, error) {
	n, ok := c[key.ID]
	if !ok {
		return live.State{Gone: true}, nil
	}
	return live.State{Version: fmt.Sprint(n), Rows: [][]byte{fmt.Append(nil, n)}}, nil
}

// A server that has versions, or whose clients all see the same, has a resolver. A client
// that says which version it has gets a newer one at once, or "current".
func ExampleResolver() {
	visits := counters{"home": 41, "help": 7}
	hub := live.New(live.Options{Resolver: func(key live.Key) live.Resolver {
		if key.Type == "visits" {
			return visits
		}
		return nil
	}})
	hub.Start()
	defer hub.Close(context.Background())

	server := httptest.NewServer(hub.WebSocket())
	defer server.Close()
	client := dialVersioned(server)
	defer client.close()

	client.send(`{"action":"subscribe","body":{"entity":"visits","id":"home","have":"40"}}`)
	fmt.Println(client.next())
	fmt.Println(client.next())
	client.send(`{"action":"subscribe","body":{"entity":"visits","id":"help","have":"7"}}`)
	fmt.Println(client.next())
	fmt.Println(client.next())
	// Output:
	// {"type":"subscribed","entity":"visits","id":"home"}
	// {"type":"entity","entity":"visits","id":"home","version":"41","data":41}
	// {"type":"subscribed","entity":"visits","id":"help"}
	// {"type":"current","entity":"visits","id":"help","version":"7"}
}

package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/headgate/headgate/live"
	"github.com/headgate/headgate/live/localqueue"
)

// A server gives the hub a function that fetches an item, serves the clients, and tells the
// hub when an item changed.
func Example() {
	items := newItems()

	hub := live.New(live.Options{})
	hub.Handle("items", func(ctx context.Context, key live.Key, secret string) ([][]byte, error) {
		item, err := items.find(ctx, key.ID)
		if err != nil {
			return nil, err // the hub retries
		}
		row, err := json.Marshal(item)
		return [][]byte{row}, err
	})
	hub.Start()
	defer hub.Close(context.Background())

	mux := http.NewServeMux()
	hub.Register(mux) // GET /ws/entity-sync/ and GET /live

	server := httptest.NewServer(mux) // or http.ListenAndServe("127.0.0.1:8080", mux)
	defer server.Close()
	client := connect(hub, server, `{"action":"subscribe","body":{"id":"100","entity":"items"}}`)
	defer client.close()

	items.rename("100", "anvil")
	if err := hub.Notify(context.Background(), live.KeyOf("items", "100")); err != nil {
		fmt.Println(err) // only clients of this instance were told
	}
	fmt.Println(client.next())
	// Output: {"id":"100","name":"anvil"}
}

// One change may be several rows. A plain client gets each as a frame.
func ExampleHub_Handle() {
	hub := live.New(live.Options{})
	hub.Handle("report", func(ctx context.Context, key live.Key, secret string) ([][]byte, error) {
		report := []byte(`{"report":"` + key.ID + `","createdBy":"7"}`)
		user := []byte(`{"user":"7","department":"3"}`)
		department := []byte(`{"department":"3"}`)
		return [][]byte{report, user, department}, nil
	})
	hub.Start()
	defer hub.Close(context.Background())

	server := httptest.NewServer(hub.WebSocket())
	defer server.Close()
	client := connect(hub, server, `{"action":"subscribe","body":{"id":"12","entity":"report"}}`)
	defer client.close()

	_ = hub.Notify(context.Background(), live.KeyOf("report", "12"))
	for range 3 {
		fmt.Println(client.next())
	}
	// Output:
	// {"report":"12","createdBy":"7"}
	// {"user":"7","department":"3"}
	// {"department":"3"}
}

// The secret decides whether a client may see the change. A client sends it as an action.
func ExampleHub_Handle_secret() {
	sessions := map[string]string{"my-super-secret-secret-123": "ada"}

	hub := live.New(live.Options{})
	hub.Handle("report", func(ctx context.Context, key live.Key, secret string) ([][]byte, error) {
		user, ok := sessions[secret]
		if !ok {
			return nil, live.ErrDenied
		}
		return [][]byte{[]byte(`{"report":"` + key.ID + `","for":"` + user + `"}`)}, nil
	})
	hub.Start()
	defer hub.Close(context.Background())

	server := httptest.NewServer(hub.WebSocket())
	defer server.Close()
	stranger := connect(hub, server, `{"action":"subscribe","body":{"id":"12","entity":"report"}}`)
	defer stranger.close()
	ada := connect(hub, server,
		`{"action":"secret","body":"my-super-secret-secret-123"}`, `{"action":"subscribe","body":{"id":"12","entity":"report"}}`)
	defer ada.close()

	_ = hub.Notify(context.Background(), live.KeyOf("report", "12"))
	fmt.Println(ada.next())
	// Output: {"report":"12","for":"ada"}
}

// A change on one instance reaches the clients of all others.
func ExampleHub_Notify() {
	items := newItems()
	fetch := func(ctx context.Context, key live.Key, secret string) ([][]byte, error) {
		item, err := items.find(ctx, key.ID)
		if err != nil {
			return nil, err
		}
		row, err := json.Marshal(item)
		return [][]byte{row}, err
	}
	queue := localqueue.New() // between processes: pubsubqueue, or one of your own
	defer queue.Close()
	one, two := live.New(live.Options{Queue: queue}), live.New(live.Options{Queue: queue})
	for _, hub := range []*live.Hub{one, two} {
		hub.Handle("items", fetch)
		hub.Start()
		defer hub.Close(context.Background())
	}
	server := httptest.NewServer(two.WebSocket())
	defer server.Close()
	client := connect(two, server, `{"action":"subscribe","body":{"id":"100","entity":"items"}}`)
	defer client.close()

	items.rename("100", "hammer")
	if err := one.Notify(context.Background(), live.KeyOf("items", "100")); err != nil {
		fmt.Println(err)
	}
	fmt.Println(client.next())
	// Output: {"id":"100","name":"hammer"}
}

// Frames that are JSON objects without an action are the server's own.
func ExampleOptions_passThrough() {
	frames := make(chan string)
	hub := live.New(live.Options{
		PassThrough: func(ctx context.Context, secret string, frame []byte) error {
			frames <- secret + ": " + string(frame)
			return nil
		},
	})
	hub.Start()
	defer hub.Close(context.Background())

	server := httptest.NewServer(hub.WebSocket())
	defer server.Close()
	client := connect(hub, server, `{"action":"secret","body":"ada"}`, `{"chat":"hello"}`)
	defer client.close()

	fmt.Println(<-frames)
	// Output: ada: {"chat":"hello"}
}

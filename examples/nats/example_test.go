package natsqueue_test

import (
	"context"
	"log"
	"net/http"

	"github.com/nats-io/nats.go"

	natsqueue "github.com/headgate/headgate/examples/nats"
	"github.com/headgate/headgate/live"
)

// Every instance of a server connects its hub to the same subject.
func Example() {
	conn, err := nats.Connect(nats.DefaultURL)
	if err != nil {
		log.Print(err)
		return
	}
	defer conn.Close()

	hub := live.New(live.Options{Queue: natsqueue.New(conn, "live.changes")})
	hub.Handle("items", func(ctx context.Context, key live.Key, secret string) ([][]byte, error) {
		return [][]byte{[]byte(`{"id":"` + key.ID + `"}`)}, nil
	})
	hub.Start()
	defer hub.Close(context.Background())

	mux := http.NewServeMux()
	hub.Register(mux)
	log.Print(http.ListenAndServe("127.0.0.1:8080", mux))
}

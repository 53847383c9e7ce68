package client_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"cloud.google.com/go/pubsub/v2"

	"github.com/headgate/headgate/client"
)

// An event is sent until it is stored, and the work of its message is done once.
func Example() {
	ctx := context.Background()
	inbox := newMailbox() // stands for your server
	defer inbox.Close()
	url, stop := startServer(gateTo(inbox.URL, "")) // stands for Headgate
	defer stop()
	dir := must(os.MkdirTemp("", "invoices"))
	defer os.RemoveAll(dir)
	db := must(sql.Open("sqlite", "file:"+filepath.Join(dir, "invoices.db")+"?_pragma=busy_timeout(10000)"))
	defer db.Close()
	must(db.Exec("CREATE TABLE invoice (message TEXT, orders INTEGER)"))

	gate := &client.Gate{URL: url}
	store := client.NewSQLStore(db, client.SQLite, "invoices")
	if err := store.CreateTable(ctx); err != nil {
		panic(err)
	}
	handled := make(chan bool, 1)
	consumer := client.Consume(store, func(ctx context.Context, tx *sql.Tx, m *client.Message) error {
		handled <- true
		_, err := tx.ExecContext(ctx, "INSERT INTO invoice (message, orders) VALUES (?, ?)", m.EventID, m.Events["order"].NumberOfEvents)
		return err
	})
	inbox.handler = consumer // http.ListenAndServe("127.0.0.1:9000", consumer)

	for _, order := range []string{"17", "18"} {
		receipt, err := gate.Send(ctx, client.Event{EventKey: "order", IdempotencyKey: "order-" + order, Body: []byte(order)})
		if err != nil {
			panic(err)
		}
		fmt.Println("stored:", receipt.EventKey, "completes the window:", receipt.Triggered != "")
	}
	<-handled

	receipt, err := gate.Send(ctx, client.Event{EventKey: "order", IdempotencyKey: "order-17", Body: []byte("17")})
	fmt.Println("duplicate:", receipt.Duplicate, err)
	// Output:
	// stored: order completes the window: false
	// stored: order completes the window: true
	// duplicate: true <nil>
}

// An answer that says no is an Error, with the status and what is wrong.
func ExampleGate_Send() {
	url, stop := startServer(gateTo("http://127.0.0.1:9000", ""))
	defer stop()

	gate := &client.Gate{URL: url, Token: client.Token("my-token")}
	_, err := gate.Send(context.Background(), client.Event{EventKey: "invoice", Body: []byte("17")})
	var refused *client.Error
	if errors.As(err, &refused) && !refused.Temporary() {
		fmt.Println(refused.Status, refused.Detail)
	}
	// Output: 404 no endpoint "invoice": the endpoints are ["order"]
}

// Each item of a batch becomes an event.
func ExampleGate_SendBatch() {
	url, stop := startServer(gateTo("http://127.0.0.1:9000", ""))
	defer stop()

	gate := &client.Gate{URL: url}
	batch := client.Batch{
		EventKey: "order", CloudEvents: true,
		Items: []json.RawMessage{
			[]byte(`{"specversion":"1.0","id":"17","source":"/shop","type":"order","data":{"total":12}}`),
			[]byte(`{"specversion":"1.0","id":"17","source":"/shop","type":"order","data":{"total":12}}`),
			[]byte(`{"id":"18"}`),
		},
	}
	receipt, err := gate.SendBatch(context.Background(), batch)
	if err != nil {
		panic(err)
	}
	for _, r := range receipt.Results {
		fmt.Println(r.Status, r.Duplicate, r.Error != "")
	}
	// Output:
	// 200 false false
	// 200 true false
	// 400 false true
}

// A message is pulled from Pub/Sub. This one is over the limit of the gate, so what is
// pulled is a claim check, and the consumer reads the whole message from the gate.
func ExampleConsumer_Receive() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	url, subscriber, stop := subscribed() // stands for Headgate, and for a subscription to its topic
	defer stop()

	gate := &client.Gate{URL: url}
	consumer := client.Consume(&notebook{}, func(_ context.Context, page *strings.Builder, m *client.Message) error {
		body, err := m.Events["order"].Events[0].Body()
		fmt.Fprintf(page, "%s: %d bytes\n", m.ServiceName, len(body))
		return err
	})
	consumer.Gate = gate

	if _, err := gate.Send(ctx, client.Event{EventKey: "order", Body: make([]byte, 2000)}); err != nil {
		panic(err)
	}
	err := subscriber.Receive(ctx, func(ctx context.Context, m *pubsub.Message) {
		if consumer.Receive(ctx, m.Data, m.Attributes) != nil {
			m.Nack()
			return
		}
		m.Ack()
		cancel()
	})
	fmt.Println(err)
	// Output:
	// orders: 2000 bytes
	// <nil>
}

// notebook is a store of another kind than SQL. What the work wrote on its page is kept
// together with the eventID, or not at all. It forgets both when the process ends.
type notebook struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (n *notebook) Once(ctx context.Context, eventID string, work func(context.Context, *strings.Builder) error) error {
	n.mu.Lock() // one delivery at a time: the others wait
	defer n.mu.Unlock()
	if n.seen[eventID] {
		return nil
	}
	var page strings.Builder
	if err := work(ctx, &page); err != nil {
		return err
	}
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	n.seen[eventID] = true
	fmt.Print(page.String())
	return nil
}

// A target with a secret signs its messages. While the secret is rotated, list both.
func ExampleVerify() {
	secrets := []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}
	inbox, verified := newMailbox(), make(chan string, 1)
	defer inbox.Close()
	inbox.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 32<<20))
		if err != nil {
			http.Error(w, "the request broke off", http.StatusBadRequest)
			return
		}
		id, err := client.Verify(r.Header, body, secrets...)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		m, err := client.ParseMessage(body)
		verified <- fmt.Sprint(err == nil && m.EventID == id)
	})
	url, stop := startServer(gateTo(inbox.URL, `,"secret":"`+secrets[1]+`"`))
	defer stop()

	gate := &client.Gate{URL: url}
	for _, order := range []string{"17", "18"} {
		if _, err := gate.Send(context.Background(), client.Event{EventKey: "order", Body: []byte(order)}); err != nil {
			panic(err)
		}
	}
	fmt.Println(<-verified)
	// Output: true
}

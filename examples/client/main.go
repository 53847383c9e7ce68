// Command client sends an event that survives a restart of the server, and does the work of
// its message exactly once. Start a server beside it:
//
//	go run . --config examples/client/config.json
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	_ "modernc.org/sqlite"

	"github.com/headgate/headgate/client"
)

func send(ctx context.Context, gate *client.Gate) error {
	_, err := gate.Send(ctx, client.Event{EventKey: "order", Body: []byte(`{"order":17}`)})
	return err
}

func consume(ctx context.Context, gate *client.Gate, db *sql.DB) (http.Handler, error) {
	store := client.NewSQLStore(db, client.SQLite, "invoices")
	consumer := client.Consume(store, func(ctx context.Context, tx *sql.Tx, m *client.Message) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO invoice (message) VALUES (?)", m.EventID)
		return err
	})
	consumer.Gate = gate // to read messages that are too large for the bus
	return consumer, store.CreateTable(ctx)
}

func main() {
	url := flag.String("gate", "http://127.0.0.1:8080", "the `URL` of the server")
	addr := flag.String("addr", "127.0.0.1:9000", "the `ADDRESS` to take messages at")
	file := flag.String("db", "invoices.db", "the `FILE` of the database")
	flag.Parse()
	if err := run(context.Background(), &client.Gate{URL: *url}, *addr, *file); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, gate *client.Gate, addr, file string) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err = db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS invoice (message TEXT NOT NULL)"); err != nil {
		return err
	}
	consumer, err := consume(ctx, gate, db)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer l.Close()
	served := make(chan error, 1)
	server := &http.Server{Handler: consumer, ReadHeaderTimeout: 10 * time.Second}
	go func() { served <- server.Serve(l) }()
	if err := send(ctx, gate); err != nil {
		return err
	}
	fmt.Println("the event is stored; messages arrive until Ctrl-C")
	return <-served
}

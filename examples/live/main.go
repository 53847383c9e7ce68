// Command live is a server of its own that pushes its items to clients. docs/live.md shows it.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/headgate/headgate/live"
)

func main() {
	var names sync.Map // stands for your database: the names of items by their ids

	hub := live.New(live.Options{})
	hub.Handle("items", func(_ context.Context, key live.Key, _ string) ([][]byte, error) {
		name, ok := names.Load(key.ID)
		if !ok {
			return nil, nil // there is no such item
		}
		row, err := json.Marshal(map[string]any{"id": key.ID, "name": name})
		return [][]byte{row}, err // after an error, the hub tries again
	})
	hub.Start()

	mux := http.NewServeMux()
	hub.Register(mux) // GET /ws/entity-sync/ and GET /live
	mux.HandleFunc("PUT /items/{id}", func(_ http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		names.Store(id, r.FormValue("name")) // first commit the change, then tell the hub of it
		if err := hub.Notify(r.Context(), live.KeyOf("items", id)); err != nil {
			log.Print(err) // only clients of this instance were told
		}
	})
	server := &http.Server{Addr: "127.0.0.1:8090", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

const (
	fewer   = 100_000 // rows of the syncs that push
	changed = 1_000   // of them on each side
)

// twoWay measures a run in both directions between the embedded store and PostgreSQL. The
// run reads the whole table: its definition has no cursor.
func twoWay(b *bench) error {
	url := os.Getenv("HEADGATE_POSTGRES_URL")
	if url == "" {
		b.leaveOut("twoway: left out, because HEADGATE_POSTGRES_URL is not set (scripts/with-databases starts a server)")
		return nil
	}
	s, err := newSyncBench(b)
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	conn, err := pgx.Connect(s.ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	const table = "headgate_bench_both"
	defer conn.Exec(context.Background(), "DROP TABLE IF EXISTS "+table)
	for _, q := range []string{
		"DROP TABLE IF EXISTS " + table,
		"CREATE TABLE " + table + " (id bigint PRIMARY KEY, well text NOT NULL, at timestamptz NOT NULL, value double precision NOT NULL, note text)",
		"INSERT INTO " + table + " SELECT i, 'w' || i % 1000, to_timestamp(1600000000 + i / 1000 * 3600), (i % 10000) / 100.0 FROM generate_series(1, " + strconv.Itoa(fewer) + ") i",
		"ANALYZE " + table,
	} {
		if _, err := conn.Exec(s.ctx, q); err != nil {
			return err
		}
	}
	def := `{"id":"both","orgId":"bench","type":"both","datasource":{"type":"sql","url":"` + url + `","selectedDatatypes":["reading"],
		"options":{"tables":{"reading":"` + table + `"}}},"mapping":{"reading":{"key":["id"]}}}`
	if _, err := s.run(def, "both"); err != nil {
		return err
	}
	const every = fewer / changed
	if _, err := conn.Exec(s.ctx, "UPDATE "+table+" SET value = value + 1 WHERE id % $1 = 0", every); err != nil {
		return err
	}
	if err := s.edit("both", every); err != nil {
		return err
	}
	got, err := s.run(def, "both")
	if err != nil {
		return err
	}
	var pushed int64
	if err := conn.QueryRow(s.ctx, "SELECT count(*) FROM "+table+" WHERE note = 'edited here'").Scan(&pushed); err != nil {
		return err
	}
	if pushed != changed || got.Counts.Updated != 2*changed {
		return fmt.Errorf("twoway: %d rows were pushed, and %d were updated on both sides together", pushed, got.Counts.Updated)
	}
	s.peak = got.rss
	s.add(row{measure: "both ways with PostgreSQL, 100,000 rows, of which 1,000 others changed on each side", value: got.took.Seconds(), unit: "s", goal: atMost(10),
		also: "≤ 128 MB RSS", held: got.rss <= 128},
		"%v, %.0f MB", got.took.Round(time.Millisecond), got.rss)
	return nil
}

// edit changes one of every so many records in the store of a data directory.
func (s *syncBench) edit(data string, every int) (err error) {
	st, err := sqlitestore.Open(s.ctx, filepath.Join(s.dir, data, "headgate.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	records := entity.New(entity.Options{Docs: store.Coded(st), Now: time.Now})
	for i := 1; i <= fewer; i += every {
		if _, err := records.Patch(s.ctx, "bench", "reading", strconv.Itoa(i), map[string]any{"note": "edited here"}, ""); err != nil {
			return err
		}
	}
	return nil
}

// batches is an API that takes batches of rows. It keeps the bodies.
type batches struct {
	wait   time.Duration // before each answer
	mu     sync.Mutex
	bodies [][]byte
	rows   int
}

func (a *batches) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var batch struct{ Items []map[string]any }
	if err == nil {
		err = json.Unmarshal(body, &batch)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.bodies, a.rows = append(a.bodies, body), a.rows+len(batch.Items)
	a.mu.Unlock()
	time.Sleep(a.wait)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{}`)
}

// push measures pushes of new records to an API that answers at once, and to one that takes as
// long as one that stores the rows may.
func push(b *bench) error {
	s, err := newSyncBench(b)
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if err := s.write("rows.csv", fewer); err != nil {
		return err
	}
	if _, err := s.run(csvDefinition("rows.csv"), "push"); err != nil {
		return err
	}
	for id, wait := range []time.Duration{0, 20 * time.Millisecond} {
		if err := s.pushTo(id, wait); err != nil {
			return err
		}
	}
	return nil
}

// pushTo measures one push. Its floor posts the same bodies to the same server, one after the
// other.
func (s *syncBench) pushTo(id int, wait time.Duration) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	api := &batches{wait: wait}
	server := &http.Server{Handler: api, ReadHeaderTimeout: time.Minute}
	defer server.Close()
	go func() { _ = server.Serve(l) }()
	url := "http://" + l.Addr().String() + "/"
	def := `{"id":"out` + strconv.Itoa(id) + `","orgId":"bench","type":"push","datasource":{"type":"api","url":"` + url + `","selectedDatatypes":["reading"],
		"options":{"list":"{type}","create":{"url":"{type}","batch":100,"envelope":"items"},"update":{"url":"{type}/{id}"},"delete":{"url":"{type}/{id}"}}},
		"mapping":{"reading":{"key":["well","at"]}}}`
	got, err := s.run(def, "push", `CONFIG={"sync":{"ratePerSecond":10000}}`)
	if err != nil {
		return err
	}
	if api.rows != fewer || got.Counts.Created != fewer {
		return fmt.Errorf("push: the API got %d rows, and %d were counted as created", api.rows, got.Counts.Created)
	}
	floor, err := bareposts(url+"reading", api.bodies)
	if err != nil {
		return err
	}
	ratio := floor.Seconds() / got.took.Seconds()
	s.peak = got.rss
	s.add(row{measure: fmt.Sprintf("100,000 records pushed in batches of 100 to an API that answers after %v, against bare posts of the same bodies", wait),
		value: ratio, unit: times, goal: atLeast(0.6)},
		"%.2f (%.0f rows/s against %.0f/s)", ratio, fewer/got.took.Seconds(), fewer/floor.Seconds())
	return nil
}

// bareposts posts the bodies, and returns the time it took.
func bareposts(url string, bodies [][]byte) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	start := time.Now()
	for _, body := range bodies {
		resp, err := client.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

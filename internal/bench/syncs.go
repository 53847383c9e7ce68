package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/event"
)

// syncs measures runs of syncs with the real binary. Its floors write the same rows and do
// nothing else.
func syncs(b *bench) error {
	s, err := newSyncBench(b)
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if err := s.csv(); err != nil {
		return err
	}
	if s.quick {
		return nil
	}
	url := os.Getenv("HEADGATE_POSTGRES_URL")
	if url == "" {
		s.leaveOut("PostgreSQL: left out, because HEADGATE_POSTGRES_URL is not set (scripts/with-databases starts a server)")
		return nil
	}
	return s.postgres(url)
}

// intoFirestore measures a sync into Firestore.
func intoFirestore(b *bench) error {
	s, err := newSyncBench(b)
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	return s.firestore()
}

type syncBench struct {
	*bench
	dir, bin string
}

// rows returns the number of rows of the large pulls.
func (s *syncBench) rows() int { return s.size(1_000_000, 100_000) }

// newSyncBench makes a new directory, which the caller removes.
func newSyncBench(b *bench) (*syncBench, error) {
	bin, err := b.binary()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "headgate-bench")
	return &syncBench{bench: b, dir: dir, bin: bin}, err
}

// syncRun holds the output of `headgate sync run --json`, and measurements of the process.
type syncRun struct {
	State                 string
	StartedAt, FinishedAt time.Time
	Counts                struct{ Read, Created, Updated, Deleted, Unchanged int64 }
	took                  time.Duration
	rss                   float64 // peak, MB
}

// run runs the definition, and waits for its end.
func (s *syncBench) run(def, data string, env ...string) (r syncRun, err error) {
	file := filepath.Join(s.dir, "sync.json")
	if err := os.WriteFile(file, []byte(def), 0o600); err != nil {
		return r, err
	}
	cmd := exec.Command(s.bin, "sync", "run", file, "--json", "-data", filepath.Join(s.dir, data))
	cmd.Dir, cmd.Stderr = s.dir, os.Stderr
	cmd.Env = append([]string{"HOME=" + s.dir, "TMPDIR=" + s.dir}, env...) // without our own variables, so that only env selects the store
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	p, err := s.start(cmd)
	if err != nil {
		return r, err
	}
	// Read the kernel's peak often, so that only the last moments are missed. The peak in
	// rusage is no use: it starts with the parent's memory.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for running := true; running; {
		select {
		case <-p.ended:
			running = false
		case <-look.C:
			if _, peak, err := memory(p.pid()); err == nil && peak > 0 {
				r.rss = peak
			}
		}
	}
	out := stdout.Bytes()
	if p.err != nil {
		return r, fmt.Errorf("sync run: %w: %s", p.err, out)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, err
	}
	if r.State != "finished" {
		return r, fmt.Errorf("sync run: %s", out)
	}
	r.took = r.FinishedAt.Sub(r.StartedAt)
	return r, nil
}

func reading(i int) (well, at, value string) {
	return fmt.Sprintf("w%04d", i/1000), time.Unix(1.6e9+int64(i%1000)*3600, 0).UTC().Format(time.RFC3339), strconv.FormatFloat(float64(i%10_000)/100, 'f', -1, 64)
}

// stored returns a record of the same size as the sync stores.
func stored(i int) []byte {
	well, at, value := reading(i)
	return fmt.Appendf(nil, `{"v":1,"u":1767571200000000,"l":{"big":{}},"d":{"at":%q,"value":%s,"well":%q}}`, at, value, well)
}

func key(i int) string {
	well, at, _ := reading(i)
	return well + "." + at
}

func csvDefinition(file string) string {
	return `{"id":"big","orgId":"bench","type":"pull","datasource":{"type":"csv","fileUrl":"` + file + `","selectedDatatypes":["reading"]},
		"mapping":{"reading":{"key":["well","at"],"fields":{"well":{"from":"well"},"at":{"from":"at"},"value":{"from":"value","type":"number"}}}}}`
}

func (s *syncBench) write(name string, rows int) error {
	f, err := os.Create(filepath.Join(s.dir, name))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "well,at,value")
	for i := range rows {
		well, at, value := reading(i)
		fmt.Fprintf(w, "%s,%s,%s\n", well, at, value)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// bare inserts rows into a new SQLite file in batches, and returns the time it took.
func (s *syncBench) bare(name string, rows func(insert func(id string, body []byte) error) error) (time.Duration, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, name)+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE rows (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID`); err != nil {
		return 0, err
	}
	const batch = 2000
	start := time.Now()
	var tx *sql.Tx
	var insert *sql.Stmt
	n := 0
	err = rows(func(id string, body []byte) error {
		if n%batch == 0 {
			if tx != nil {
				if err := tx.Commit(); err != nil {
					return err
				}
			}
			if tx, err = db.Begin(); err != nil {
				return err
			}
			if insert, err = tx.Prepare(`INSERT INTO rows VALUES (?, ?)`); err != nil {
				return err
			}
		}
		n++
		_, err := insert.Exec(id, body)
		return err
	})
	if err != nil {
		return 0, err
	}
	err = tx.Commit()
	return time.Since(start), err
}

func (s *syncBench) csv() error {
	many := s.rows()
	if err := s.write("big.csv", many); err != nil {
		return err
	}
	if err := s.write("small.csv", many/10); err != nil {
		return err
	}
	floor, err := s.bare("bare.db", func(insert func(string, []byte) error) error {
		for i := range many {
			if err := insert(key(i), stored(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	first, err := s.run(csvDefinition("big.csv"), "data")
	if err != nil {
		return err
	}
	ratio := floor.Seconds() / first.took.Seconds()
	s.peak = first.rss
	s.add(row{measure: fmt.Sprintf("%d-row CSV into the embedded store, against a bare batched SQLite insert", many), value: ratio, unit: times, goal: atLeast(0.85)},
		"%.2f (%.0f rows/s against %.0f/s)", ratio, float64(many)/first.took.Seconds(), float64(many)/floor.Seconds())
	again, err := s.run(csvDefinition("big.csv"), "data")
	if err != nil {
		return err
	}
	s.peak = again.rss
	s.add(row{measure: "the same CSV again, unchanged, against the first time", value: first.took.Seconds() / again.took.Seconds(), unit: times, goal: atLeast(3),
		also: "no record written", held: again.Counts.Unchanged == int64(many)},
		"%.1f× faster (%v against %v), %d unchanged", first.took.Seconds()/again.took.Seconds(), again.took.Round(time.Millisecond),
		first.took.Round(time.Millisecond), again.Counts.Unchanged)
	small, err := s.run(csvDefinition("small.csv"), "small")
	if err != nil {
		return err
	}
	s.peak = max(small.rss, first.rss)
	s.add(row{measure: fmt.Sprintf("peak memory of a CSV pull, %d and %d rows", many/10, many), value: max(small.rss, first.rss), unit: megabytes, goal: atMost(128)},
		"%.0f MB and %.0f MB", small.rss, first.rss)
	return nil
}

func (s *syncBench) postgres(url string) error {
	many := s.rows()
	conn, err := pgx.Connect(s.ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	const table = "headgate_bench_readings"
	defer conn.Exec(context.Background(), "DROP TABLE IF EXISTS "+table)
	for _, q := range []string{
		"DROP TABLE IF EXISTS " + table,
		"CREATE TABLE " + table + " (id bigint PRIMARY KEY, well text NOT NULL, at timestamptz NOT NULL, value double precision NOT NULL)",
		"INSERT INTO " + table + " SELECT i, 'w' || i % 1000, to_timestamp(1600000000 + i / 1000 * 3600), (i % 10000) / 100.0 FROM generate_series(1, " + strconv.Itoa(many) + ") i",
		"ANALYZE " + table,
	} {
		if _, err := conn.Exec(s.ctx, q); err != nil {
			return err
		}
	}
	floor, err := s.bare("barepg.db", func(insert func(string, []byte) error) error {
		rows, err := conn.Query(s.ctx, "SELECT id, well, at, value FROM "+table+" ORDER BY id")
		if err != nil {
			return err
		}
		defer rows.Close()
		var b bytes.Buffer
		for rows.Next() {
			var id int64
			var well string
			var at time.Time
			var value float64
			if err := rows.Scan(&id, &well, &at, &value); err != nil {
				return err
			}
			b.Reset()
			fmt.Fprintf(&b, `{"v":1,"u":1767571200000000,"l":{"pg":{}},"d":{"at":%q,"id":%d,"value":%v,"well":%q}}`, at.UTC().Format(time.RFC3339), id, value, well)
			if err := insert(strconv.FormatInt(id, 10), b.Bytes()); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	def := `{"id":"pg","orgId":"bench","type":"pull","datasource":{"type":"sql","url":"` + url + `","selectedDatatypes":["reading"],
		"options":{"tables":{"reading":"` + table + `"}}},"mapping":{"reading":{"key":["id"]}}}`
	got, err := s.run(def, "pg")
	if err != nil {
		return err
	}
	ratio := floor.Seconds() / got.took.Seconds()
	s.peak = got.rss
	s.add(row{measure: fmt.Sprintf("%d rows of PostgreSQL into the embedded store, against streaming the query into a bare batched SQLite insert", many),
		value: ratio, unit: times, goal: atLeast(0.85)},
		"%.2f (%.0f rows/s against %.0f/s)", ratio, float64(many)/got.took.Seconds(), float64(many)/floor.Seconds())
	s.peak = got.rss
	s.add(row{measure: "peak memory of this PostgreSQL pull", value: got.rss, unit: megabytes, goal: atMost(128)}, "%.0f MB", got.rss)
	return nil
}

// firestore measures a sync into Firestore. Its floor makes commits of 500 documents of the
// same size, one after the other.
func (s *syncBench) firestore() error {
	const rows = 100_000
	if err := s.write("firestore.csv", rows); err != nil {
		return err
	}
	project := "bench-" + event.RandomID()[:8]
	conn, err := emulator.DialFirestore(os.Getenv("FIRESTORE_EMULATOR_HOST"))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := firestorepb.NewFirestoreClient(conn)
	const sample = rows / 5
	bare := func(collection string) (time.Duration, error) {
		start := time.Now()
		for from := 0; from < sample; from += 500 {
			req := &firestorepb.CommitRequest{Database: "projects/" + project + "/databases/(default)"}
			for i := from; i < from+500; i++ {
				req.Writes = append(req.Writes, &firestorepb.Write{Operation: &firestorepb.Write_Update{Update: &firestorepb.Document{
					Name:   req.Database + "/documents/" + collection + "/" + key(i),
					Fields: map[string]*firestorepb.Value{"body": {ValueType: &firestorepb.Value_BytesValue{BytesValue: stored(i)}}},
				}}})
			}
			if _, err := client.Commit(s.ctx, req); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
	if _, err := bare("warm"); err != nil { // warm the emulator's JVM up
		return err
	}
	took, err := bare("bare")
	if err != nil {
		return err
	}
	floor := sample / took.Seconds()
	got, err := s.run(csvDefinition("firestore.csv"), "firestore", "FIRESTORE_EMULATOR_HOST="+os.Getenv("FIRESTORE_EMULATOR_HOST"), "GOOGLE_CLOUD_PROJECT="+project)
	if err != nil {
		return err
	}
	rate := rows / got.took.Seconds()
	s.peak = got.rss
	s.add(row{measure: "100,000 CSV rows into Firestore (emulator), against bare commits of 500 documents", value: rate / floor, unit: times, goal: atLeast(0.5)},
		"%.2f (%.0f documents/s against %.0f/s)", rate/floor, rate, floor)
	return nil
}

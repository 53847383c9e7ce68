package e2e_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	gateclient "github.com/headgate/headgate/client"
)

// severing kills the server around attempts, and loses answers that it gave.
type severing struct {
	mu     sync.Mutex
	before map[int]bool // the attempts that find the server dead
	after  map[int]bool // the attempts whose answer is lost, because the server died with it
	n      int
	kill   func()
	start  func()
}

func (s *severing) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.before[s.n] {
		s.kill()
		defer s.start()
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !s.after[s.n] {
		return resp, err
	}
	_ = resp.Body.Close()
	s.kill()
	s.start()
	return nil, errors.New("connection reset by peer")
}

// A server is killed before it has an event, and again after it has stored the event and
// before its answer arrives. Send goes on, and the event counts once. So does a batch.
func TestAnEventSurvivesTheServersDeath(t *testing.T) {
	t.Parallel()
	o := options{addr: fixedPort(t), data: t.TempDir(), env: []string{"CONFIG=" + service("survives", "p")}}
	p := launch(t, o).listens(t)
	s := &severing{before: map[int]bool{1: true, 4: true}, after: map[int]bool{2: true, 3: true}}
	s.kill = func() { p.kill9() }
	s.start = func() { p = p.restart(t).listens(t) }
	gate := &gateclient.Gate{URL: "http://" + o.addr, HTTP: &http.Client{Transport: s}}

	receipt, err := gate.Send(t.Context(), gateclient.Event{EventKey: "entry1", Body: []byte("hello")})
	require.NoError(t, err)
	require.True(t, receipt.Duplicate, "an attempt before this one stored it")
	require.Equal(t, 5, s.n)

	s.n = 0
	items := []json.RawMessage{[]byte(`1`), []byte(`{"a":[]}`), []byte(`"x"`), []byte(`1`)}
	batch, err := gate.SendBatch(t.Context(), gateclient.Batch{EventKey: "entry1", Items: items})
	require.NoError(t, err)
	require.Equal(t, 5, s.n)
	require.Len(t, batch.Results, len(items))
	for _, r := range batch.Results {
		require.Equal(t, http.StatusOK, r.Status)
		require.True(t, r.Duplicate)
	}
	_, stored, err := p.call("GET", "/events", "")
	require.NoError(t, err)
	var contents []string
	for line := range bytes.Lines(stored) {
		var e struct{ Content string }
		require.NoError(t, json.Unmarshal(line, &e))
		contents = append(contents, e.Content)
	}
	require.ElementsMatch(t, []string{"hello", "1", `{"a":[]}`, `"x"`, "1"}, contents)
}

// The program of docs/clients.md starts before the server does, and the server is killed.
// The event makes one message, whose work is done once: also if the message is published
// again, and after the program is killed as well.
func TestTheProgramOfTheDocument(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, file := filepath.Join(dir, "client"), filepath.Join(dir, "invoices.db")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", program, "../../examples/client").CombinedOutput()
	require.NoError(t, err, "%s", out)
	config, err := os.ReadFile("../../examples/client/config.json")
	require.NoError(t, err)
	taking := fixedPort(t)
	require.Contains(t, string(config), "127.0.0.1:9000")
	o := options{addr: fixedPort(t), data: t.TempDir(), env: []string{"CONFIG=" + strings.Replace(string(config), "127.0.0.1:9000", taking, 1)}}

	args := []string{"-gate", "http://" + o.addr, "-addr", taking, "-db", file}
	consumer := run(t, dir, nil, program, args...)
	p := launch(t, o).listens(t)
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	invoices := func(id string) (n int, err error) {
		err = db.QueryRow("SELECT count(*) FROM invoice WHERE message = ?", id).Scan(&n)
		return n, err
	}
	var id string
	eventually(t, "the message is handled", func() error {
		if list, err := try[messageList](p, "GET", "/messages"); err != nil || len(list.Messages) != 1 {
			return fmt.Errorf("%v: %v", list, err)
		} else {
			id = list.Messages[0].EventID
		}
		if n, err := invoices(id); n != 1 {
			return fmt.Errorf("%d invoices: %w", n, err)
		}
		return nil
	})
	replay := func() {
		t.Helper()
		eventually(t, "the message is published again", func() error { return p.expect(200, "POST", "/messages/"+id+"/replay") })
	}
	p.kill9()
	p = p.restart(t).listens(t)
	replay()
	consumer.end()
	run(t, dir, nil, program, args...) // it sends a second event
	replay()
	require.Equal(t, 1, func() int { n, err := invoices(id); require.NoError(t, err); return n }())
	eventually(t, "the second message is handled, too", func() error {
		var n int
		err := db.QueryRow("SELECT count(*) FROM invoice").Scan(&n)
		if n != 2 {
			return fmt.Errorf("%d invoices: %w", n, err)
		}
		return err
	})
}

type messageList struct{ Messages []struct{ EventID string } }

package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/mywell"
)

// bench is a sync between a store and a mock of a real system.
type bench struct {
	*testing.T
	defs  *definition.Service
	svc   *syncrun.Service
	ents  *entity.Service
	mock  *mock.Server
	log   *lines
	clock atomic.Int64
	posts atomic.Int64
	slept atomic.Int64 // pauses of runs
	org   string
	// limit answers a request with a status; 0: it goes on to refuse and the mock server.
	limit func(http.Header) int
	// refuse answers a request instead of the mock server; status 0: the mock answers.
	refuse func(r *http.Request, body string) (status int, answer string)
}

const secretKey = "sk_prod_hunter2"

// between defines the sync. URL in the definition stands for the mock server's.
func between(t *testing.T, server func(mock.Options) *mock.Server, def string) *bench {
	b := &bench{T: t, log: new(lines)}
	b.clock.Store(time.Now().UnixMicro())
	b.mock = server(mock.Options{Now: b.now})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			b.posts.Add(1)
		}
		if b.limit != nil {
			if status := b.limit(w.Header()); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		if b.refuse != nil {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if status, answer := b.refuse(r, string(body)); status != 0 {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, answer)
				return
			}
		}
		b.mock.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	st := drivertest.SQLite(t)
	var ids atomic.Int64
	kinds := source.NewRegistry(datacollect.SyncServer(), datacollect.OpenFnAdapter(), mywell.Kind())
	env := source.Env{HTTP: http.DefaultClient, Now: b.now, Secret: func(_ context.Context, v, _ string) (string, error) { return v, nil }}
	random := func() string { return fmt.Sprint("run-", ids.Add(1)) }
	b.defs = definition.New(definition.Options{
		Docs: st, Runs: syncrun.NewLedger(st, b.now), Kinds: kinds, Env: env, Now: b.now, Random: random,
	})
	b.svc = syncrun.New(syncrun.Options{
		Docs: st, Definitions: b.defs, Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: b.now,
		Kinds: kinds, Env: env, Random: random, Sleep: func(_ context.Context, d time.Duration) error { b.slept.Add(1); b.wait(d); return nil },
	})
	t.Cleanup(func() { require.NoError(t, b.svc.Close(context.Background())) })
	b.ents = entity.New(entity.Options{Docs: st, Now: b.now})
	s, err := definition.Decode([]byte(strings.ReplaceAll(def, "URL", srv.URL)))
	require.NoError(t, err)
	s.ID = "s"
	b.org = s.OrgID
	_, err = b.defs.Create(context.Background(), s)
	require.NoError(t, err)
	return b
}

func (b *bench) now() time.Time { return time.UnixMicro(b.clock.Load()).UTC() }

func (b *bench) wait(d time.Duration) { b.clock.Add(d.Microseconds()) }

func (b *bench) run(o syncrun.Start) *syncrun.Run {
	b.Helper()
	b.wait(time.Minute)
	run, err := b.svc.Start(context.Background(), "s", o)
	require.NoError(b, err)
	run, err = b.svc.Wait(context.Background(), "s", run.ID, nil)
	require.NoError(b, err)
	return run
}

func (b *bench) finished(o syncrun.Start) *syncrun.Run {
	b.Helper()
	run := b.run(o)
	require.Equal(b, syncrun.Finished, run.State, "%q", run.Errors)
	return run
}

func (b *bench) records(datatype string) map[string]map[string]any {
	b.Helper()
	out := map[string]map[string]any{}
	list, _, err := b.ents.List(context.Background(), b.org, datatype, "", 1000, false)
	require.NoError(b, err)
	for _, e := range list {
		var data map[string]any
		require.NoError(b, json.Unmarshal(e.Data, &data))
		out[e.ID] = data
	}
	return out
}

func (b *bench) put(datatype, id string, data map[string]any) {
	b.Helper()
	_, _, err := b.ents.Put(context.Background(), b.org, datatype, id, data, "", false)
	require.NoError(b, err)
}

func (b *bench) theirs(typ string, row mock.Row) {
	b.Helper()
	require.NoError(b, b.mock.Put(typ, row))
}

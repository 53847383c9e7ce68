package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/mywell"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// bench is a sync between a store and a mock of a real system.
type bench struct {
	*testing.T
	svc   *syncrun.Service
	ents  *entity.Service
	mock  *mock.Server
	log   *bytes.Buffer
	clock atomic.Int64
	posts atomic.Int64
	org   string
}

const secretKey = "sk_prod_hunter2"

// between defines the sync; URL in the definition is the mock server's.
func between(t *testing.T, server func(mock.Options) *mock.Server, def string) *bench {
	b := &bench{T: t, log: new(bytes.Buffer)}
	b.clock.Store(time.Now().UnixMicro())
	b.mock = server(mock.Options{Now: b.now})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			b.posts.Add(1)
		}
		b.mock.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	st, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	var ids atomic.Int64
	b.svc = syncrun.New(syncrun.Options{
		Docs: st, Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: b.now,
		Kinds:  source.NewRegistry(datacollect.SyncServer(), datacollect.OpenFnAdapter(), mywell.Kind()),
		Env:    source.Env{HTTP: http.DefaultClient, Now: b.now, Secret: func(_ context.Context, v, _ string) (string, error) { return v, nil }},
		Random: func() string { return fmt.Sprint("run-", ids.Add(1)) },
	})
	t.Cleanup(func() { require.NoError(t, b.svc.Close(context.Background())) })
	b.ents = entity.New(entity.Options{Docs: st, Now: b.now})
	s, err := syncrun.Decode([]byte(strings.ReplaceAll(def, "URL", srv.URL)))
	require.NoError(t, err)
	s.ID = "s"
	b.org = s.OrgID
	_, err = b.svc.CreateSync(context.Background(), s)
	require.NoError(t, err)
	return b
}

func (b *bench) now() time.Time       { return time.UnixMicro(b.clock.Load()).UTC() }
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

const wells = `{"orgId":"mywell","type":"both","datasource":{"type":"legacy-mywell","url":"URL"},"frequency":"daily"}`

func well(id int) mock.Row {
	return mock.Row{"id": id, "postcode": 313603, "villageId": 11, "type": "well", "owner": fmt.Sprint("owner ", id)}
}

func wellReading(id int, value any) mock.Row {
	return mock.Row{"id": id, "postcode": 313603, "resourceId": 117, "date": fmt.Sprintf("2026-01-%02dT00:00:00.000Z", id), "value": value}
}

func ourReading(day int, value any) (string, map[string]any) {
	at := fmt.Sprintf("2026-02-%02dT00:00:00Z", day)
	return "ours-" + at, map[string]any{"resourceId": "313603.117", "timeseries": "default", "datetime": at, "value": value}
}

// Each fault of OurWater's Sync API, by name.
func TestOurWaterFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(b *bench){
		"lastSyncDate was never written, so every push resent everything": func(b *bench) {
			for i := range 5 {
				b.put(ourReadingArgs(i+1, 1.5))
			}
			b.finished(syncrun.Start{Method: syncrun.DoPush})
			sent := b.posts.Load()
			require.Positive(b, sent)
			again := b.finished(syncrun.Start{Method: syncrun.DoPush})
			require.Equal(b, sent, b.posts.Load())
			require.Zero(b, again.Counts.Created)
			require.Len(b, b.mock.Rows("reading"), 5)
		},
		"pulled readings could be pushed back": func(b *bench) {
			for i := range 5 {
				b.theirs("reading", wellReading(i+1, 2.5))
			}
			b.finished(syncrun.Start{})
			b.finished(syncrun.Start{})
			require.Len(b, b.records("reading"), 5)
			require.Zero(b, b.posts.Load())
		},
		"a push was not awaited and always finished": func(b *bench) {
			b.put(ourReadingArgs(1, 1.5))
			b.mock.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
			run := b.run(syncrun.Start{Method: syncrun.DoPush})
			require.Equal(b, syncrun.Failed, run.State)
			require.Contains(b, run.Errors[0], "500")
			b.mock.SetFaults(nil)
			require.Equal(b, int64(1), b.finished(syncrun.Start{Method: syncrun.DoPush}).Counts.Created)
		},
		"dates were hard-coded": func(b *bench) {
			for i, year := range []string{"1970", "2017", "2026", "2199"} {
				row := wellReading(i+1, 2.5)
				row["date"] = year + "-06-01T00:00:00.000Z"
				b.theirs("reading", row)
			}
			b.finished(syncrun.Start{})
			require.Len(b, b.records("reading"), 4)
		},
		"groups and resources were duplicated on every pull": func(b *bench) {
			b.theirs("village", mock.Row{"id": 11, "postcode": 313603, "name": "Dharta"})
			b.theirs("resource", well(117))
			for range 3 {
				b.finished(syncrun.Start{})
			}
			require.Len(b, b.records("group"), 1)
			require.Len(b, b.records("resource"), 1)
		},
		"validation errors were dropped": func(b *bench) {
			for i := range 9 {
				b.theirs("reading", wellReading(i+1, 2.5))
			}
			b.theirs("reading", wellReading(10, "high"))
			run := b.run(syncrun.Start{Method: syncrun.DoPull})
			require.Equal(b, syncrun.Partial, run.State)
			list, _, err := b.svc.Rejects(b.Context(), "s", "", 10)
			require.NoError(b, err)
			require.Len(b, list, 1)
			require.Equal(b, "value", list[0].Field)
			require.Equal(b, "is not a number", list[0].Reason)
		},
		"frequencies were stored and never scheduled": func(b *bench) {
			b.theirs("resource", well(117))
			b.wait(25 * time.Hour)
			started, _, err := b.svc.Due(b.Context())
			require.NoError(b, err)
			require.Len(b, started, 1)
			run, err := b.svc.Wait(b.Context(), "s", started[0].ID, nil)
			require.NoError(b, err)
			require.Equal(b, int64(1), run.Counts.Created)
		},
		"a run could stay running for ever": func(b *bench) {
			b.mock.SetFaults(mock.Faults{mock.RepeatPage: {Probability: 1}})
			for i := range 3 {
				b.theirs("resource", well(117+i))
			}
			run := b.run(syncrun.Start{Method: syncrun.DoPull})
			require.True(b, run.State.Ended())
		},
		"value was not checked to be a number": func(b *bench) {
			b.put(ourReadingArgs(1, "high"))
			run := b.run(syncrun.Start{Method: syncrun.DoPush})
			require.Equal(b, int64(1), run.Counts.Rejected)
			require.Empty(b, b.mock.Rows("reading"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(between(t, mock.NewMyWell, wells))
		})
	}
	t.Run("no authentication", noAuthentication)
	t.Run("a resource with a pincode and no id is new: push it, write the id back", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewMyWell, wells)
		b.put("resource", "mine", map[string]any{"owner": "me", "resourceType": "well", "externalIds": map[string]any{"legacyMyWellPincode": "313603"}})
		b.finished(syncrun.Start{})
		b.finished(syncrun.Start{})
		require.Len(t, b.mock.Rows("resource"), 1)
		e, err := b.ents.Get(t.Context(), "mywell", "resource", "mine")
		require.NoError(t, err)
		require.Equal(t, "313603.1", e.ExternalIDs["legacyMyWellId"])
		require.Len(t, b.records("resource"), 1)
	})
	t.Run("validate reports Validated N readings", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewMyWell, wells)
		for i := range 5 {
			b.theirs("reading", wellReading(i+1, 2.5))
		}
		require.Contains(t, b.finished(syncrun.Start{Method: syncrun.Validate}).Warnings, "Validated 5 readings.")
		require.Empty(t, b.records("reading"))
	})
}

func ourReadingArgs(day int, value any) (string, string, map[string]any) {
	id, data := ourReading(day, value)
	return "reading", id, data
}

const (
	collect = `{"externalSync":{"type":"mock-sync-server","url":"URL/mock-sync","extraFields":[{"name":"batchSize","value":"2"},{"name":"retryAttempts","value":"0"}]}}`
	openfn  = `{"externalSync":{"type":"openfn-adapter","url":"URL/events","extraFields":[{"name":"apiKey","value":"` + secretKey + `"},{"name":"retryAttempts","value":"0"}]}}`
)

func (b *bench) event(id string, at time.Time) {
	b.Helper()
	b.theirs("event", mock.Row{"guid": id, "type": "create", "timestamp": at.Format(time.RFC3339), "data": map[string]any{"n": 1}})
}

func (b *bench) ourEvent(id string) {
	b.Helper()
	b.put("event", id, map[string]any{"guid": id, "type": "create", "timestamp": b.now().Format(time.RFC3339), "data": map[string]any{"n": 1}})
}

// Each fault of DataCollect's External Sync, by name.
func TestDataCollectFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(b *bench){
		"a failed push prevents the pull": func(b *bench) {
			b.ourEvent("ours")
			b.event("theirs", b.now())
			b.mock.SetFaults(mock.Faults{mock.Rate500: {Next: 1}})
			require.Equal(b, syncrun.Failed, b.run(syncrun.Start{}).State)
			require.NotContains(b, b.records("event"), "theirs")
			b.finished(syncrun.Start{})
			require.Contains(b, b.records("event"), "theirs")
		},
		"the pull could never apply a record": func(b *bench) {
			b.event("a", b.now())
			b.finished(syncrun.Start{})
			require.Contains(b, b.records("event"), "a")
		},
		"pulled events could be pushed back": func(b *bench) {
			b.event("a", b.now())
			b.finished(syncrun.Start{})
			b.finished(syncrun.Start{})
			require.Zero(b, b.posts.Load())
		},
		"client-timestamp cursors lost late and equal-time events": func(b *bench) {
			at := b.now()
			b.event("first", at)
			b.finished(syncrun.Start{})
			b.event("equal", at)
			b.event("late", at.Add(-3*time.Hour))
			b.finished(syncrun.Start{})
			require.Len(b, b.records("event"), 3)
		},
		"re-pulling a known event got stuck": func(b *bench) {
			b.event("a", b.now())
			for range 3 {
				b.finished(syncrun.Start{})
			}
			require.Len(b, b.records("event"), 1)
		},
		"no lock against two runs at once": func(b *bench) {
			b.mock.SetFaults(mock.Faults{mock.Delay: {Ms: 300, Probability: 1}})
			run, err := b.svc.Start(context.Background(), "s", syncrun.Start{})
			require.NoError(b, err)
			_, err = b.svc.Start(context.Background(), "s", syncrun.Start{})
			require.Equal(b, fault.Conflict, fault.CodeOf(err))
			_, err = b.svc.Wait(context.Background(), "s", run.ID, nil)
			require.NoError(b, err)
		},
		"the cursor of a push moves after each batch that succeeded": func(b *bench) {
			for i := range 6 {
				b.ourEvent(fmt.Sprint("e", i))
				b.wait(time.Second)
			}
			b.mock.SetFaults(mock.Faults{mock.LostAnswer: {Next: 1}})
			require.Equal(b, syncrun.Failed, b.run(syncrun.Start{}).State)
			b.finished(syncrun.Start{})
			require.Len(b, b.mock.Rows("event"), 6)
			require.Len(b, b.records("event"), 6)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(between(t, mock.NewSyncServer, collect))
		})
	}
	t.Run("batchSize 0 looped for ever", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewSyncServer, collect)
		s, err := syncrun.Decode([]byte(`{"externalSync":{"type":"mock-sync-server","url":"http://127.0.0.1","extraFields":[{"name":"batchSize","value":"0"}]}}`))
		require.NoError(t, err)
		_, err = b.svc.CreateSync(t.Context(), s)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
		require.ErrorContains(t, err, "batchSize must be an integer from 1")
	})
	t.Run("an unknown type lists the known ones", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewSyncServer, collect)
		s, err := syncrun.Decode([]byte(`{"externalSync":{"type":"other","url":"http://127.0.0.1"}}`))
		require.NoError(t, err)
		_, err = b.svc.CreateSync(t.Context(), s)
		require.ErrorContains(t, err, "the types are legacy-mywell, mock-sync-server, openfn-adapter")
	})
	t.Run("configuration with secrets was written to the log", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewOpenFn, openfn)
		b.event("a", b.now())
		b.finished(syncrun.Start{})
		b.mock.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
		run := b.run(syncrun.Start{})
		require.Equal(t, syncrun.Failed, run.State)
		d, err := b.svc.Sync(t.Context(), "s")
		require.NoError(t, err)
		shown, err := json.Marshal(d.Sync.Redact())
		require.NoError(t, err)
		shownRun, err := json.Marshal(run)
		require.NoError(t, err)
		require.NotContains(t, b.log.String()+string(shown)+string(shownRun), "hunter2")
	})
}

package datacollect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

const apiKey = "sk_s3cret"

// place is a mock server together with the kind of source for it.
type place struct {
	*mock.Server
	kind source.Kind
	url  string

	mu       sync.Mutex
	requests []string // method and query of each request
	bodies   []string
	wait     []time.Time
}

func syncServer(t testing.TB) *place {
	return serve(t, datacollect.SyncServer(), mock.NewSyncServer(mock.Options{APIKey: apiKey}), "/mock-sync")
}

func openFn(t testing.TB) *place {
	return serve(t, datacollect.OpenFnAdapter(), mock.NewOpenFn(mock.Options{APIKey: apiKey}), "/events")
}

func serve(t testing.TB, kind source.Kind, m *mock.Server, path string) *place {
	p := &place{Server: m, kind: kind}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock()
		p.requests, p.bodies, p.wait = append(p.requests, r.Method+" "+r.URL.RawQuery), append(p.bodies, string(body)), append(p.wait, time.Now())
		p.mu.Unlock()
		m.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	p.url = srv.URL + path
	return p
}

func (p *place) definition(fields ...source.ExtraField) source.Datasource {
	return source.Datasource{Type: p.kind.Name, URL: p.url, ExtraFields: append([]source.ExtraField{{Name: "apiKey", Value: "env:KEY"}}, fields...)}
}

func (p *place) openWith(t testing.TB, fields ...source.ExtraField) source.Source {
	d := p.definition(fields...)
	require.Empty(t, p.kind.Check(d))
	s, err := p.kind.Open(context.Background(), d, source.Env{HTTP: sourcetest.HTTP(t), Now: time.Now, Secret: func(_ context.Context, v, _ string) (string, error) {
		if v == "env:KEY" {
			return apiKey, nil
		}
		return v, nil
	}})
	require.NoError(t, err)
	return s
}

func (p *place) Open(t testing.TB) source.Source { return p.openWith(t) }

func (p *place) Spec() source.Spec {
	s := p.kind.Defaults(datacollect.Datatype)
	s.Datatype = datacollect.Datatype
	return s
}

func eventOf(r sourcetest.Record) mock.Row {
	return mock.Row{
		"guid": r.ID, "entityGuid": "e", "type": "create", "syncLevel": 0, "userId": "u",
		"timestamp": r.UpdatedAt.Format(time.RFC3339Nano), "data": map[string]any{"name": r.Name, "value": r.Value, "deleted": r.Deleted},
	}
}

func (p *place) Put(t testing.TB, rows ...sourcetest.Record) {
	for _, r := range rows {
		require.NoError(t, p.Server.Put("event", eventOf(r)))
	}
}

func (p *place) Remove(_ testing.TB, ids ...string) {
	for _, id := range ids {
		p.Delete("event", id)
	}
}

func (p *place) Rows(t testing.TB) map[string]sourcetest.Record {
	out := map[string]sourcetest.Record{}
	for _, row := range p.Server.Rows("event") {
		r, err := recordOf(row)
		require.NoError(t, err)
		out[r.ID] = r
	}
	return out
}

// recordOf turns an event into a record of the suite.
func recordOf(row map[string]any) (r sourcetest.Record, err error) {
	b, err := json.Marshal(row)
	if err != nil {
		return r, err
	}
	var e struct {
		GUID      string
		Timestamp time.Time
		Data      struct {
			Name    string
			Value   float64
			Deleted bool
		}
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return r, err
	}
	return sourcetest.Record{ID: e.GUID, Name: e.Data.Name, Value: e.Data.Value, Deleted: e.Data.Deleted, UpdatedAt: e.Timestamp.UTC()}, nil
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, newPlace := range map[string]func(testing.TB) *place{"mock-sync-server": syncServer, "openfn-adapter": openFn} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.Run(t, sourcetest.Harness{
				New: func(t testing.TB) sourcetest.Place { return newPlace(t) }, Cursor: true, Push: true, NoDelete: true, NUL: true,
				Read: func(row source.Row) (sourcetest.Record, error) { return recordOf(row.Map()) },
				Fields: func(r sourcetest.Record) map[string]any {
					e := eventOf(r)
					delete(e, "guid") // the key is not among the fields
					return e
				},
			})
		})
	}
}

func drain(t testing.TB, s source.Source, p source.Pull) (rows []map[string]any, err error) {
	t.Helper()
	r, err := s.Pull(context.Background(), p)
	require.NoError(t, err)
	for {
		page, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		for _, row := range page.Rows {
			rows = append(rows, row.Map())
		}
	}
}

func (p *place) request() source.Pull { return source.Pull{Spec: p.Spec(), PageSize: 50} }

func event(i int) source.Change {
	id := fmt.Sprintf("g%03d", i)
	return source.Change{Op: source.Create, ID: id, Key: []any{id}, Attempt: id, Fields: map[string]any{
		"entityGuid": "e", "type": "create", "timestamp": time.Date(2026, 1, 1, 0, 0, 100-i, 0, time.UTC).Format(time.RFC3339), "data": map[string]any{"n": i},
	}}
}

func events(n int) (out []source.Change) {
	for i := range n {
		out = append(out, event(i))
	}
	return out
}

// The requests have the wire formats of DataCollect's contract.
func TestWireFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p        *place
		envelope string
	}{{syncServer(t), "data"}, {openFn(t), "entities"}} {
		s := c.p.openWith(t)
		_, err := s.Push(t.Context(), c.p.Spec(), events(3))
		require.NoError(t, err)
		var sent map[string][]map[string]any
		require.NoError(t, json.Unmarshal([]byte(c.p.bodies[0]), &sent))
		require.Len(t, sent[c.envelope], 3)
		require.Equal(t, "g002", sent[c.envelope][0]["guid"], "the oldest first")
		require.Equal(t, "g000", sent[c.envelope][2]["guid"])
		_, err = drain(t, s, c.p.request())
		require.NoError(t, err)
		require.Equal(t, "GET ", c.p.requests[1], "no since when there is no cursor")
		pull := c.p.request()
		pull.Cursor.Time = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
		_, err = drain(t, s, pull)
		require.NoError(t, err)
		require.Equal(t, "GET since=2026-01-04T04%3A05%3A06Z", c.p.requests[2], "thirty days before the cursor")
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	p := syncServer(t)
	s := p.openWith(t, source.ExtraField{Name: "batchSize", Value: "25"}, source.ExtraField{Name: "delayBetweenBatches", Value: "20"})
	require.Equal(t, 25, s.PushSize())
	_, err := s.Push(t.Context(), p.Spec(), events(60))
	require.NoError(t, err)
	require.Len(t, p.bodies, 3)
	require.GreaterOrEqual(t, p.wait[2].Sub(p.wait[0]), 40*time.Millisecond)
	require.Len(t, p.Server.Rows("event"), 60)
	require.Equal(t, 100, p.openWith(t).PushSize(), "the default")
}

func TestFaultsOfADefinition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   source.Kind
		fields string
		says   string
	}{
		{datacollect.OpenFnAdapter(), `[]`, "apiKey is required"},
		{datacollect.SyncServer(), `[{"name":"batchSize","value":"0"}]`, "extraFields[0]: batchSize must be an integer from 1"},
		{datacollect.SyncServer(), `[{"name":"batchSize","value":"many"}]`, "extraFields[0]: batchSize"},
		{datacollect.SyncServer(), `[{"name":"batchSize","value":"5"},{"name":"batchSize","value":"6"}]`, `extraFields[1]: "batchSize" is given twice`},
		{datacollect.SyncServer(), `[{"name":"colour","value":"red"}]`, `extraFields[0]: "colour" is none of`},
		{datacollect.SyncServer(), `[{"name":"timeout","value":"-1"}]`, "timeout must be"},
	} {
		d := source.Datasource{URL: "https://example.org/x"}
		require.NoError(t, json.Unmarshal([]byte(c.fields), &d.ExtraFields))
		faults := c.kind.Check(d)
		require.NotEmpty(t, faults, c.fields)
		require.Contains(t, faults[0].String(), c.says)
	}
	require.NotEmpty(t, datacollect.SyncServer().Check(source.Datasource{URL: "example.org"}))
	require.NotEmpty(t, datacollect.SyncServer().Check(source.Datasource{URL: "https://u:p@example.org"}))
	require.Empty(t, datacollect.SyncServer().Check(source.Datasource{URL: "https://example.org", Options: json.RawMessage(`{"batchSize":"5","timeout":1000}`)}))
}

// The source avoids mistakes that DataCollect's own External Sync makes.
func TestMistakesOfDataCollect(t *testing.T) {
	t.Parallel()
	t.Run("no retry, though documented", func(t *testing.T) {
		t.Parallel()
		p := syncServer(t)
		p.SetFaults(mock.Faults{mock.Rate500: {Next: 2}})
		_, err := p.openWith(t).Push(t.Context(), p.Spec(), events(3))
		require.NoError(t, err)
		require.Len(t, p.Server.Rows("event"), 3)
		p.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
		_, err = p.openWith(t, source.ExtraField{Name: "retryAttempts", Value: "0"}).Push(t.Context(), p.Spec(), events(3))
		require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	})
	t.Run("no timeout, though documented", func(t *testing.T) {
		t.Parallel()
		p := openFn(t)
		p.SetFaults(mock.Faults{mock.Delay: {Ms: 60_000, Probability: 1}})
		_, err := drain(t, p.openWith(t, source.ExtraField{Name: "timeout", Value: "50"}, source.ExtraField{Name: "retryAttempts", Value: "0"}), p.request())
		require.ErrorContains(t, err, "did not answer in time")
	})
	t.Run("a lost answer doubles nothing", func(t *testing.T) {
		t.Parallel()
		p := syncServer(t)
		p.SetFaults(mock.Faults{mock.LostAnswer: {Next: 1}})
		_, err := p.openWith(t).Push(t.Context(), p.Spec(), events(3))
		require.NoError(t, err)
		require.Len(t, p.Server.Rows("event"), 3)
		require.Len(t, p.bodies, 2)
	})
	t.Run("late and equal-time events were lost", func(t *testing.T) {
		t.Parallel()
		p := syncServer(t)
		at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
		put := func(id string, at time.Time) {
			require.NoError(t, p.Server.Put("event", mock.Row{"guid": id, "timestamp": at.Format(time.RFC3339)}))
		}
		put("first", at)
		pull := p.request()
		pull.Cursor.Time = at
		put("equal", at)
		put("late", at.Add(-10*time.Hour))
		rows, err := drain(t, p.openWith(t), pull)
		require.NoError(t, err)
		require.Len(t, rows, 3)
	})
	t.Run("half an answer", func(t *testing.T) {
		t.Parallel()
		p := openFn(t)
		p.Put(t, sourcetest.Record{ID: "a", UpdatedAt: time.Now()})
		p.SetFaults(mock.Faults{mock.Truncate: {Probability: 1}})
		_, err := drain(t, p.openWith(t, source.ExtraField{Name: "retryAttempts", Value: "0"}), p.request())
		require.ErrorContains(t, err, "only a part of it came")
	})
	t.Run("credentials were written to the log", func(t *testing.T) {
		t.Parallel()
		p := openFn(t)
		d := p.definition()
		d.ExtraFields[0].Value = "wr0ng-key"
		s, err := p.kind.Open(t.Context(), d, source.Env{HTTP: sourcetest.HTTP(t), Secret: func(_ context.Context, v, _ string) (string, error) { return v, nil }})
		require.NoError(t, err)
		_, err = drain(t, s, p.request())
		require.ErrorContains(t, err, "401")
		require.NotContains(t, err.Error(), "wr0ng-key")
	})
	t.Run("one bad event of a batch", func(t *testing.T) {
		t.Parallel()
		p := syncServer(t)
		batch := events(5)
		batch[2].Key = []any{""} // the server wants a guid
		batch[2].Fields["guid"] = ""
		results, err := p.openWith(t).Push(t.Context(), p.Spec(), batch)
		require.NoError(t, err)
		require.ErrorContains(t, results[2].Err, "guid")
		require.Len(t, p.Server.Rows("event"), 4)
	})
}

// Every option that identifies the caller may be a reference. The source sends the value
// that it refers to, never the reference itself.
func TestReferencesAreResolved(t *testing.T) {
	t.Parallel()
	for _, kind := range []source.Kind{datacollect.SyncServer(), datacollect.OpenFnAdapter()} {
		sent := make(chan http.Header, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent <- r.Header.Clone()
			w.WriteHeader(http.StatusUnauthorized)
		}))
		t.Cleanup(srv.Close)
		var fields []source.ExtraField
		for _, name := range []string{"apiKey", "workflowId", "username", "password"} {
			fields = append(fields, source.ExtraField{Name: name, Value: "env:" + name})
		}
		s, err := kind.Open(t.Context(), source.Datasource{Type: kind.Name, URL: srv.URL, ExtraFields: fields}, source.Env{HTTP: sourcetest.HTTP(t), Now: time.Now,
			Secret: func(_ context.Context, ref, _ string) (string, error) {
				return strings.TrimPrefix(ref, "env:") + " of it", nil
			}})
		require.NoError(t, err)
		r, err := s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: datacollect.Datatype, Key: []string{"guid"}}, PageSize: 1})
		if err == nil {
			_, err = r.Next(t.Context())
		}
		require.Error(t, err)
		got := <-sent
		require.Equal(t, "apiKey of it", got.Get("X-Api-Key"))
		require.Equal(t, "workflowId of it", got.Get("X-Workflow-Id"))
		user, password, _ := (&http.Request{Header: got}).BasicAuth()
		require.Equal(t, "username of it, password of it", user+", "+password)
	}
}

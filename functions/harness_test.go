package functions

import (
	"context"
	"encoding/json"
	"errors"

	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/sqlitestore"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
	"github.com/headgate/headgate/internal/sync/source/csvsource"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/mywell"
)

const (
	testTopic = "projects/test-project/topics/sync"
	deadTopic = "projects/test-project/topics/dead"
)

// gateway is all of Headgate on the embedded store. A test can move its clock, watch its
// bus and break its store. It checks every answer against the OpenAPI document.
type gateway struct {
	testing.TB
	h     http.Handler
	app   *app.App
	store *brokenStore
	bus   *watchedBus
	mu    sync.Mutex
	now   time.Time
	ran   time.Duration
	dir   *os.Root // that syncs may use
	db    string   // file of the store
	logs  logs     // lines of level WARN and above
}

// logs keeps the first megabyte of what is logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() < 1<<20 {
		l.text.Write(b)
	}
	return len(b), nil
}

func (l *logs) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

func oneService(more string) string {
	return `{"serviceName":"My First Event Sync","trigger":{"type":"window","observationPeriod":3600},
		"endpoints":[{"eventKey":"entry1"},{"eventKey":"entry2"}],"targetPubSub":{"topic":"` + testTopic + `"}` + more + `}`
}

// newGateway returns a gateway without CPU between requests, as on Cloud Run: when a
// request is answered, all of its effects are complete.
func newGateway(t testing.TB, cfgJSON string, functions ...string) *gateway {
	t.Helper()
	return newGatewayOn(t, cfgJSON, false, functions...)
}

func newGatewayOn(t testing.TB, cfgJSON string, background bool, functions ...string) *gateway {
	t.Helper()
	cfg, err := config.Parse([]byte(cfgJSON))
	require.NoError(t, err)
	return newGatewayOf(t, cfg, background, functions...)
}

func newGatewayOf(t testing.TB, cfg *config.Config, background bool, functions ...string) *gateway {
	t.Helper()
	return newGatewayIn(t, budget.Memory{}, cfg, background, functions...)
}

// newGatewayIn returns a gateway that bounds the memory of requests.
func newGatewayIn(t testing.TB, memory budget.Memory, cfg *config.Config, background bool, functions ...string) *gateway {
	t.Helper()
	return newGatewayWith(t, cfg, background, func(_ *gateway, o *app.Options) { o.Memory = memory }, functions...)
}

// newGatewayWith returns a gateway with changed options.
func newGatewayWith(t testing.TB, cfg *config.Config, background bool, change func(*gateway, *app.Options), functions ...string) *gateway {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.db")
	st, err := sqlitestore.Open(context.Background(), file)
	require.NoError(t, err)
	g := &gateway{
		TB: t, db: file, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		store: &brokenStore{Store: st}, bus: &watchedBus{Bus: localbus.New(testTopic, deadTopic)},
	}
	g.dir, err = os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	platform := hosting.CloudRun
	if background {
		platform = hosting.Machine
	}
	o := app.Options{
		Config: cfg, Store: g.store, Bus: g.bus, Log: slog.New(slog.NewTextHandler(&g.logs, &slog.HandlerOptions{Level: slog.LevelWarn})), Now: g.clock,
		Mono:  g.elapsed,
		Kinds: source.NewRegistry(csvsource.Kind(), apisource.Kind(), datacollect.CustomAdapter(), mywell.Kind()), Env: source.Env{Dir: g.dir, HTTP: http.DefaultClient, AllowHTTP: true, Now: g.clock, Secret: func(_ context.Context, v, _ string) (string, error) { return v, nil }},
		Platform: platform, ServesLive: true, HooksHTTP: http.DefaultClient, LiveHTTP: http.DefaultClient,
	}
	change(g, &o)
	g.app, err = app.New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = g.app.Close(context.Background())
		_ = g.dir.Close()
	})
	g.h, err = Handler(g.app, functions...)
	require.NoError(t, err)
	return g
}

func (g *gateway) clock() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *gateway) elapsed() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ran
}

// advance lets time pass.
func (g *gateway) advance(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now, g.ran = g.now.Add(d), g.ran+d
}

// jump sets the machine's clock.
func (g *gateway) jump(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = g.now.Add(d)
}

// answer is a response, decoded.
type answer struct {
	status int
	header http.Header
	raw    []byte
	json   map[string]any
}

func (a answer) str(field string) string { s, _ := a.json[field].(string); return s }
func (a answer) num(field string) int    { n, _ := a.json[field].(float64); return int(n) }

// do sends a request; headers are pairs.
func (g *gateway) do(method, target, body string, headers ...string) answer {
	g.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	a := g.send(r)
	api.checkRequest(g.TB, r, body, a)
	return a
}

func (g *gateway) send(r *http.Request) answer {
	g.Helper()
	w := httptest.NewRecorder()
	g.h.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
	if w.Body.Len() > 0 && strings.Contains(w.Header().Get("Content-Type"), "json") {
		_ = json.Unmarshal(a.raw, &a.json)
	}
	api.check(g.TB, r, a)
	return a
}

// event sends an event and requires that it is stored.
func (g *gateway) event(key, body string, headers ...string) answer {
	g.Helper()
	a := g.do("POST", "/event/"+key, body, headers...)
	require.Equal(g, 200, a.status, "%s", a.raw)
	return a
}

// message returns a whole message.
func (g *gateway) message(eventID string) syncMessage {
	g.Helper()
	a := g.do("GET", "/messages/"+eventID, "")
	require.Equal(g, 200, a.status, "%s", a.raw)
	var m syncMessage
	require.NoError(g, json.Unmarshal(a.raw, &m))
	return m
}

type syncMessage struct {
	EventID, ServiceName, TriggerType, ContentURL string
	Events                                        map[string]struct {
		NumberOfEvents int
		Events         []struct {
			ID, Content, ContentEncoding, HTTPMethod, RawQuery string
			Headers, QueryParams                               map[string][]string
			CloudEvent, PubSub                                 map[string]any
		}
	}
}

// brokenStore fails while broken: Append, Pending, Writable, and the calls for documents.
type brokenStore struct {
	app.Store
	mu       sync.Mutex
	broken   bool
	readOnly bool // only commits of documents fail

	settled  int              // outcomes recorded
	maxClaim int              // if it is not 0
	time     func() time.Time // the store's own; nil: it has none
}

func (s *brokenStore) Now(ctx context.Context) (time.Time, bool, error) {
	if s.time != nil {
		return s.time(), true, nil
	}
	return s.Store.Now(ctx)
}

func (s *brokenStore) MaxClaim() int {
	if s.maxClaim > 0 {
		return s.maxClaim
	}
	return s.Store.MaxClaim()
}

func (s *brokenStore) Settle(ctx context.Context, service, id string, o store.Outcome) error {
	s.mu.Lock()
	s.settled++
	s.mu.Unlock()
	return s.Store.Settle(ctx, service, id, o)
}

var errUnreachable = errors.New("the secret cause")

func (s *brokenStore) set(broken bool) { s.mu.Lock(); s.broken = broken; s.mu.Unlock() }

func (s *brokenStore) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errUnreachable
	}
	return nil
}

func (s *brokenStore) Append(ctx context.Context, events []store.Append) []store.AppendResult {
	if err := s.err(); err != nil {
		out := make([]store.AppendResult, len(events))
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	return s.Store.Append(ctx, events)
}

func (s *brokenStore) Pending(ctx context.Context, ep store.Endpoint, after time.Time, limit int) ([]store.Pointer, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Store.Pending(ctx, ep, after, limit)
}

func (s *brokenStore) Get(ctx context.Context, c store.Collection, ids []string) ([]*store.Doc, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, c, ids)
}

func (s *brokenStore) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	s.mu.Lock()
	readOnly := s.readOnly
	s.mu.Unlock()
	if readOnly {
		return nil, errUnreachable
	}
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Store.Commit(ctx, writes)
}

func (s *brokenStore) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, l)
}

func (s *brokenStore) Writable(ctx context.Context) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Writable(ctx)
}

// watchedBus keeps the published messages, and refuses messages while away.
type watchedBus struct {
	bus.Bus
	mu        sync.Mutex
	away      error
	awayFrom  string // only from this topic; "": from all
	hangs     bool
	published []bus.Message
	topics    []string // of the published messages
}

func (b *watchedBus) set(err error) { b.mu.Lock(); b.away = err; b.mu.Unlock() }

func (b *watchedBus) Publish(ctx context.Context, topic string, m bus.Message) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hangs {
		<-ctx.Done()
		return "", ctx.Err()
	}
	if b.away != nil && (b.awayFrom == "" || b.awayFrom == topic) {
		return "", b.away
	}
	b.published, b.topics = append(b.published, m), append(b.topics, topic)
	return b.Bus.Publish(ctx, topic, m)
}

func (b *watchedBus) all() []bus.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]bus.Message(nil), b.published...)
}

package functions

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/store"
)

// lines returns the lines that GET /events answers with.
func (g *gateway) lines(query string) (lines []event.Record) {
	g.Helper()
	a := g.do("GET", "/events"+query, "")
	require.Equal(g, 200, a.status, "%s", a.raw)
	require.Equal(g, "application/x-ndjson", a.header.Get("Content-Type"))
	lines = []event.Record{}
	for line := range strings.Lines(string(a.raw)) {
		var l event.Line
		require.NoError(g, json.Unmarshal([]byte(line), &l))
		require.Nil(g, l.Broken)
		lines = append(lines, l.Record)
	}
	return lines
}

func contents(lines []event.Record) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.Content
	}
	return out
}

// The lines have what was received, without credentials, whether the events wait or not.
func TestEventsAreListedAsTheyWereReceived(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	require.Empty(t, g.lines(""))
	g.event("entry1?page=2&token=s3cret", "one", "Idempotency-Key", "n1", "Authorization", "Bearer s3cret")
	g.advance(time.Second)
	g.event("entry1", "one", "Idempotency-Key", "n1") // counts once
	g.event("entry1", "a\xffb\n")
	g.do("POST", "/reset", "")
	g.advance(time.Second)
	g.event("entry1", "three", "Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "s", "Ce-Type", "t")
	g.advance(time.Second)
	triggered := g.event("entry2", "four").str("triggered")
	require.NotEmpty(t, triggered)

	lines := g.lines("")
	require.Equal(t, []string{"one", "Yf9iCg==", "three", "four"}, contents(lines))
	require.NotContains(t, fmt.Sprint(lines), "s3cret")
	require.Equal(t, []string{"?token", "Authorization"}, lines[0].Redacted)
	require.Equal(t, map[string][]string{"page": {"2"}}, lines[0].Query)
	require.Equal(t, []string{"n1"}, lines[0].Headers["Idempotency-Key"])
	require.Equal(t, "base64", lines[1].ContentEncoding)
	require.JSONEq(t, `"t"`, string(lines[2].CloudEvent["type"]))
	require.Equal(t, "My First Event Sync", lines[3].Service)
	require.Equal(t, g.message(triggered).Events["entry1"].Events[0].ID, lines[2].ID, "as in the message")

	at := func(i int) string { return url.QueryEscape(lines[i].ReceivedAt.Format(time.RFC3339Nano)) }
	require.Equal(t, []string{"Yf9iCg=="}, contents(g.lines("?since="+at(1)+"&until="+at(2))), "half-open")
	require.Equal(t, []string{"three", "four"}, contents(g.lines("?since="+url.QueryEscape(lines[2].ReceivedAt.Add(-time.Nanosecond).Format(time.RFC3339Nano)))))
	require.Equal(t, []string{"four"}, contents(g.lines("?eventKey=entry2")))
	require.Empty(t, g.lines("?eventKey=gone"), "an endpoint may have left the configuration")
	require.Equal(t, []string{"four"}, contents(g.lines("?after="+formatCursor(store.Cursor{Date: lines[2].ReceivedAt, ID: lines[2].ID}))))
	require.Empty(t, g.do("HEAD", "/events", "").raw)
}

func TestEventsAreRefusedAQueryThatIsWrong(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	for query, want := range map[string]string{
		"since=yesterday":                                       "since must be a time like 2026-11-27T06:00:00Z",
		"until=2026-05-01T12:00:00+02:00":                       "a + must be written as %2B",
		"since=2026-05-02T00:00:00Z&until=2026-05-01T00:00:00Z": "until must not be before since",
		"since=0000-01-01T00:00:00Z":                            "years 1 to 9999",
		"after=x":                                               `after must be the "next"`,
		"key=1":                                                 "this service has no correlation",
		"limit=3":                                               "unknown query parameter",
		"since=2026-05-02T00:00:00Z&since=2026-05-02T00%3A00%3A00Z": "is given 2 times",
	} {
		requireProblem(t, g.do("GET", "/events?"+query, ""), 400, want)
	}
}

// A line has the correlation key of its event, and the attributes of the push that carried it.
func TestEventsByKey(t *testing.T) {
	t.Parallel()
	g := newGateway(t, windowed(`,"window":"anchored"`, `,"unwrap":"pubsub","filter":"has(event.attributes.region)"`, byOrder))
	push := `{"subscription":"projects/p/subscriptions/s","message":{"messageId":"1","data":"eyJvcmRlciI6MX0=","attributes":{"region":"eu","access_token":"s3cret"}}}`
	g.event("entry1", push)
	g.advance(time.Second)
	g.event("entry2", `{"order":2}`)
	lines := g.lines("")
	require.Equal(t, []string{`{"order":1}`, `{"order":2}`}, contents(lines))
	require.Equal(t, []string{"1", "2"}, []string{lines[0].CorrelationKey, lines[1].CorrelationKey})
	require.Equal(t, map[string]string{"region": "eu"}, lines[0].PubSub.Attributes)
	require.Equal(t, []string{"Access_token"}, lines[0].Redacted)
	require.Equal(t, lines[1:], g.lines("?key=2"))
	g.do("POST", "/trigger?key=2", "")
	require.Equal(t, lines[1:], g.lines("?key=2"), "claimed")
	require.Empty(t, g.lines("?key=3"))

	g = newGateway(t, windowed("", `,"unwrap":"pubsub"`, ""))
	g.event("entry1", push)
	require.Equal(t, map[string]string{"region": "eu"}, g.lines("")[0].PubSub.Attributes, "without expressions, too")
}

// failingStore answers some pages of events, and then fails.
type failingStore struct {
	store.Store
	pages int
}

func (s *failingStore) EventsBetween(ctx context.Context, service string, in store.Span, after *store.Cursor, limit int) ([]store.Stored, error) {
	if s.pages--; s.pages < 0 {
		return nil, errUnreachable
	}
	return s.Store.EventsBetween(ctx, service, in, after, 2)
}

// A client can tell that a stream broke off, and go on where it ended.
func TestAStreamOfEventsBreaksOff(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	for i := range 5 {
		g.event("entry1", fmt.Sprint(i))
		g.advance(time.Second)
	}
	whole := g.lines("")
	g.store.Store = struct {
		*failingStore
		store.Docs
	}{&failingStore{g.store.Store, 2}, g.store.Store}
	server := httptest.NewServer(g.h)
	defer server.Close()
	get := func(path string) (lines []string, err error) {
		resp, err := http.Get(server.URL + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return strings.Split(strings.TrimSpace(string(b)), "\n"), err
	}
	lines, err := get("/events")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, lines, 5)
	var last event.Line
	require.NoError(t, json.Unmarshal([]byte(lines[4]), &last))
	require.Equal(t, "the events could not be read; send the request again", last.Error)
	require.NotContains(t, lines[4], "secret cause")
	require.Contains(t, g.logs.String(), "the secret cause")

	requireProblem(t, g.do("GET", "/events", ""), 503, "the events could not be read")
	g.store.Store.(struct {
		*failingStore
		store.Docs
	}).pages = 100
	lines, err = get("/events?after=" + last.Next)
	require.NoError(t, err)
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], whole[4].ID)
}

// A stream holds memory for a few events at a time, and none once its client has left.
func TestAStreamOfEventsIsFlat(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(oneService("")))
	require.NoError(t, err)
	memory := budget.Memory{Requests: budget.New(64 << 20), Answers: budget.New(24 << 20)}
	g := newGatewayIn(t, memory, cfg, false)
	body := strings.Repeat("x", 1<<20-1<<10)
	for range 40 {
		g.event("entry1", body)
	}
	server := httptest.NewServer(g.h)
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/events", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	r := bufio.NewReaderSize(resp.Body, 64<<10)
	for range 20 {
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		require.Greater(t, len(line), 1<<19)
		require.LessOrEqual(t, memory.Answers.Used(), int64(24<<20))
	}
	leave()
	_, err = io.ReadAll(r)
	require.Error(t, err)
	require.True(t, errors.Is(err, context.Canceled), err)
	require.Eventually(t, func() bool { return memory.Answers.Used() == 0 }, time.Minute, time.Millisecond)
	require.Len(t, g.lines(""), 40)
	require.Zero(t, memory.Answers.Used())
}

// deadlines notes until when a client may take what is written next.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Duration // from then on
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	if !at.IsZero() {
		d.set = append(d.set, time.Until(at))
	}
	return nil
}

// A client that stops reading does not keep the memory of an answer from others for minutes.
func TestAnswersThatHoldMemoryAreTakenAtAPace(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	g.event("entry1", strings.Repeat("x", 100<<10))
	r := g.event("entry2", "x")
	eventID := r.str("triggered")
	for range 1000 {
		g.event("entry1", "x")
	}
	for _, path := range []string{"/events", "/messages/" + eventID, "/pending?limit=1000"} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		g.h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		require.Equal(t, 200, w.Code, path)
		require.NotEmpty(t, w.set, path)
		require.LessOrEqual(t, slices.Max(w.set), 15*time.Second, path)
	}
}

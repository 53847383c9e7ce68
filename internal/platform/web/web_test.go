package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
)

func serve(t *testing.T, h Handler, r *http.Request) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var log bytes.Buffer
	a := Adapter{Log: slog.New(slog.NewTextHandler(&log, nil))}
	w := httptest.NewRecorder()
	a.Handler(h).ServeHTTP(w, r)
	return w, log.String()
}

func fails(err error) Handler {
	return func(http.ResponseWriter, *http.Request) error { return err }
}

func TestErrorsBecomeProblems(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause")
	notAllowed := fault.New(fault.MethodNotAllowed, "no")
	notAllowed.Allow = []string{"GET", "HEAD"}
	later := fault.Wrap(fault.Unavailable, cause, "later")
	later.RetryAfter = 1200 * time.Millisecond
	full := fault.New(fault.TooMany, "full")
	full.RetryAfter = 5 * time.Second
	for name, c := range map[string]struct {
		err    error
		status int
		detail string
		header http.Header
		level  string
	}{
		"invalid":                               {fault.Wrap(fault.Invalid, cause, "bad"), 400, "bad", nil, ""},
		"unauthenticated":                       {fault.New(fault.Unauthenticated, "who"), 401, "who", http.Header{"Www-Authenticate": {"Bearer"}}, ""},
		"forbidden":                             {fault.New(fault.Forbidden, "no"), 403, "no", nil, ""},
		"not found":                             {fault.New(fault.NotFound, "no <b>"), 404, "no <b>", nil, ""},
		"method":                                {notAllowed, 405, "no", http.Header{"Allow": {"GET, HEAD"}}, ""},
		"conflict":                              {fault.New(fault.Conflict, "no"), 409, "no", nil, ""},
		"gone":                                  {fault.New(fault.Gone, "no"), 410, "no", nil, ""},
		"too large":                             {fault.New(fault.TooLarge, "no"), 413, "no", nil, ""},
		"unavailable":                           {fault.Wrap(fault.Unavailable, cause, "busy"), 503, "busy", http.Header{"Retry-After": {"1"}}, "WARN"},
		"retry rounds up":                       {later, 503, "later", http.Header{"Retry-After": {"2"}}, "WARN"},
		"too many":                              {full, 429, "full", http.Header{"Retry-After": {"5"}}, ""},
		"wrapped":                               {fmt.Errorf("at: %w", fault.New(fault.Gone, "gone")), 410, "gone", nil, ""},
		"internal":                              {fault.Wrap(fault.Internal, cause, "do not show"), 500, "internal error", nil, "ERROR"},
		"unknown code":                          {fault.New("surprise", "do not show"), 500, "internal error", nil, "ERROR"},
		"unknown":                               {cause, 500, "internal error", nil, "ERROR"},
		"cancelled, though the client is there": {context.Canceled, 500, "internal error", nil, "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", "/x", nil)
			r.Header.Set("X-Request-Id", "my-id")
			w, log := serve(t, fails(c.err), r)
			require.Equal(t, c.status, w.Code)
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.Equal(t, "my-id", w.Header().Get("X-Request-Id"))
			var p map[string]any
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
			require.Equal(t, map[string]any{
				"type": "about:blank", "title": http.StatusText(c.status), "status": float64(c.status),
				"detail": c.detail, "instance": "my-id",
			}, p)
			require.NotContains(t, w.Body.String(), "cause")
			for k := range c.header {
				require.Equal(t, c.header[k], w.Header()[k])
			}
			if c.level == "" {
				require.Empty(t, log)
				return
			}
			require.Equal(t, 1, strings.Count(log, "\n"), log)
			require.Contains(t, log, "level="+c.level)
			require.Contains(t, log, "requestId=my-id")
			require.Contains(t, log, c.err.Error())
		})
	}
}

// A problem can have a member that helps the caller to decide. It never shows the cause.
func TestProblemWithAMember(t *testing.T) {
	t.Parallel()
	f := fault.Wrap(fault.Conflict, errors.New("the secret cause"), "decide first")
	f.Member = &fault.Member{Name: "draft", Value: []int{1, 2}}
	f.Details = []fault.Detail{{Path: "a", Message: "b"}}
	w, _ := serve(t, fails(f), httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusConflict, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.NotContains(t, w.Body.String(), "secret cause")
	require.JSONEq(t, `{"type":"about:blank","title":"Conflict","status":409,"detail":"decide first","instance":"`+w.Header().Get("X-Request-Id")+`",
		"draft":[1,2],"errors":[{"path":"a","message":"b"}]}`, w.Body.String())
}

// A member for which there is no memory is omitted; the message stays.
func TestProblemWhoseMemberDoesNotFit(t *testing.T) {
	t.Parallel()
	f := fault.New(fault.Conflict, "decide first")
	f.Member = &fault.Member{Name: "draft", Value: func() {}}
	w, _ := serve(t, fails(f), httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, http.StatusConflict, w.Code)
	require.Contains(t, w.Body.String(), "decide first")
	require.NotContains(t, w.Body.String(), "draft")
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given string
		kept  bool
	}{
		"kept": {"a-B.9_/+=:~", true}, "none": {"", false}, "control": {"a\tb", false},
		"space": {"a b", false}, "long": {strings.Repeat("a", 129), false}, "not ASCII": {"é", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/", nil)
			if c.given != "" {
				r.Header["X-Request-Id"] = []string{c.given}
			}
			var id string
			w, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) error {
				id = responseOf(w).requestID()
				return nil
			}, r)
			require.Equal(t, id, w.Header().Get("X-Request-Id"))
			if c.kept {
				require.Equal(t, c.given, id)
			} else {
				require.Regexp(t, "^[0-9a-f]{32}$", id)
			}
		})
	}
}

func TestClientGoneMakesNoNoise(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{
		fmt.Errorf("read: %w", context.Canceled),
		fault.Wrap(fault.Unavailable, context.Canceled, "busy"),
	} {
		w, log := serve(t, fails(err), httptest.NewRequestWithContext(ctx, "POST", "/", nil))
		require.Empty(t, log)
		require.Equal(t, 503, w.Code, "silence would be success to a source whose proxy still listens")
	}
	_, log := serve(t, fails(errors.New("bug")), httptest.NewRequestWithContext(ctx, "POST", "/", nil))
	require.Contains(t, log, "bug")
}

func TestPanics(t *testing.T) {
	t.Parallel()
	w, log := serve(t, func(http.ResponseWriter, *http.Request) error { panic("oh") }, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, 500, w.Code)
	require.Contains(t, w.Body.String(), "internal error")
	require.NotContains(t, w.Body.String(), "oh")
	require.Contains(t, log, "panic=oh")
	require.Contains(t, log, "web_test.go", "the stack names the culprit")

	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		serve(t, func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, httptest.NewRequest("GET", "/", nil))
	})

	srv := httptest.NewServer(Adapter{}.Handler(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("oh")
	}))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err, "half an answer must not look whole")
}

func TestNoProblemAfterTheHeader(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(202) },
		"Write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("x")) },
		"WriteString": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") },
		"Flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, log := serve(t, func(w http.ResponseWriter, _ *http.Request) error {
				start(w)
				return errors.New("late")
			}, httptest.NewRequest("GET", "/", nil))
			require.Less(t, w.Code, 300)
			require.NotContains(t, w.Body.String(), "about:blank")
			require.Contains(t, log, "late")
		})
	}
	w, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Content-Encoding", "gzip")
		return fault.New(fault.Gone, "gone")
	}, httptest.NewRequest("GET", "/", nil))
	require.Contains(t, w.Body.String(), "about:blank", "an informational header is not the answer")
	require.Empty(t, w.Header().Get("Content-Encoding"))
}

func TestHEADGetsNoBody(t *testing.T) {
	t.Parallel()
	w, _ := serve(t, fails(fault.New(fault.Gone, "gone")), httptest.NewRequest("HEAD", "/", nil))
	require.Equal(t, 410, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.Zero(t, w.Body.Len())
}

func TestHijack(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(Adapter{}.Handler(func(w http.ResponseWriter, _ *http.Request) error {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		defer c.Close()
		_, _ = b.WriteString("HTTP/1.1 299 Mine\r\n\r\n")
		_ = b.Flush()
		return errors.New("late")
	}))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 299, resp.StatusCode)
}

func TestMethods(t *testing.T) {
	t.Parallel()
	h := Methods(fails(nil), "GET", "POST")
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 200, "PUT": 405, "OPTIONS": 405, "get": 405} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method = method
		w, _ := serve(t, h, r)
		require.Equal(t, want, w.Code, method)
		if want == 405 {
			require.Equal(t, "GET, HEAD, POST", w.Header().Get("Allow"))
		}
	}
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	const limit = 3 << 20
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		want   int // bytes; -1 too large, -2 invalid
	}{
		"none":               {nil, 0, 0},
		"small":              {strings.NewReader("abc"), 3, 3},
		"chunked":            {strings.NewReader(strings.Repeat("a", 5000)), -1, 5000},
		"at the limit":       {strings.NewReader(strings.Repeat("a", limit)), limit, limit},
		"chunked, at it":     {strings.NewReader(strings.Repeat("a", limit)), -1, limit},
		"chunked, over":      {strings.NewReader(strings.Repeat("a", limit+1)), -1, -1},
		"says it is over":    {strings.NewReader("a"), limit + 1, -1},
		"more than it said":  {strings.NewReader(strings.Repeat("a", limit+1)), 1, -1},
		"breaks off":         {io.MultiReader(strings.NewReader("a"), broken{}), 10, -2},
		"breaks off at once": {broken{}, -1, -2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", "/", nil)
			if c.body != nil {
				r.Body, r.ContentLength = io.NopCloser(c.body), c.length
			}
			b, err := ReadBody(httptest.NewRecorder(), r, limit, "maxEventBytes")
			switch c.want {
			case -1:
				require.Equal(t, fault.TooLarge, fault.CodeOf(err))
				require.EqualError(t, err, "the body is over the limit of 3145728 bytes (maxEventBytes)")
			case -2:
				require.Equal(t, fault.Invalid, fault.CodeOf(err))
			default:
				require.NoError(t, err)
				require.Len(t, b, c.want)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestReadBodyOverTheLimitClosesTheConnection(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(Adapter{}.Handler(func(w http.ResponseWriter, r *http.Request) error {
		_, err := ReadBody(w, r, 10, "maxEventBytes")
		return err
	}))
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n%s\r\n", strings.Repeat("a", 20))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 413, resp.StatusCode)
	require.True(t, resp.Close)
}

func TestJSON(t *testing.T) {
	t.Parallel()
	w, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) error {
		return JSON(w, 201, map[string]string{"a": "<&>"})
	}, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, 201, w.Code)
	require.Equal(t, "{\"a\":\"<&>\"}\n", w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	w, log := serve(t, func(w http.ResponseWriter, _ *http.Request) error {
		return JSON(w, 200, make(chan int))
	}, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, 500, w.Code)
	require.Contains(t, log, "encode the answer")
}

func TestDebugLogsEveryRequest(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := Adapter{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	a.Handler(fails(nil)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
	require.Contains(t, log.String(), "path=/x status=200")
}

type nothing struct{ h http.Header }

func (n nothing) Header() http.Header         { return n.h }
func (n nothing) Write(b []byte) (int, error) { return len(b), nil }
func (n nothing) WriteHeader(int)             {}

// BenchmarkAdapter measures what the adapter adds to an empty handler.
func BenchmarkAdapter(b *testing.B) {
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("X-Request-Id", "my-id")
	h := Adapter{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}.Handler(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	w := nothing{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkReadBodyAndJSON(b *testing.B) {
	body := strings.Repeat("a", 300)
	h := Adapter{}.Handler(func(w http.ResponseWriter, r *http.Request) error {
		if _, err := ReadBody(w, r, 1<<20, "maxEventBytes"); err != nil {
			return err
		}
		return JSON(w, 200, struct {
			ID string `json:"id"`
		}{"x"})
	})
	w := nothing{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		r := &http.Request{Method: "POST", Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
		h.ServeHTTP(w, r)
	}
}

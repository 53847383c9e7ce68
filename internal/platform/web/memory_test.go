package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
)

func TestBodiesTakeMemoryUntilTheHandlerReturns(t *testing.T) {
	t.Parallel()
	b := budget.New(100 << 20)
	a := Adapter{Requests: b}
	body := strings.Repeat("x", 1<<20)
	for name, length := range map[string]int64{"of known length": int64(len(body)), "chunked": -1} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r.ContentLength = length
			a.Handler(func(w http.ResponseWriter, r *http.Request) error {
				got, err := ReadBody(w, r, 8<<20, "maxEventBytes")
				require.NoError(t, err)
				require.Len(t, got, len(body))
				require.GreaterOrEqual(t, b.Used(), int64(copies*len(body)))
				require.Less(t, b.Used(), int64(3*copies*len(body)))
				return nil
			}).ServeHTTP(httptest.NewRecorder(), r)
			require.Zero(t, b.Used())
		})
	}
}

// A body that is large, or claims to be, is refused before it is in memory.
func TestNoMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(10 << 20)
		require.True(t, b.Try(9<<20))
		for name, length := range map[string]int64{"of known length": 2 << 20, "chunked": -1} {
			body := &counted{r: strings.NewReader(strings.Repeat("x", 2<<20))}
			r := httptest.NewRequest("POST", "/", body)
			r.ContentLength = length
			w := httptest.NewRecorder()
			called := time.Now()
			Adapter{Requests: b}.Handler(func(w http.ResponseWriter, r *http.Request) error {
				_, err := ReadBody(w, r, 8<<20, "maxEventBytes")
				require.Equal(t, fault.Unavailable, fault.CodeOf(err))
				return err
			}).ServeHTTP(w, r)
			require.Equal(t, 503, w.Code, name)
			require.Equal(t, "3", w.Header().Get("Retry-After"))
			require.Equal(t, 3*time.Second, time.Since(called))
			require.Equal(t, 2<<20, body.n, "the body is drained: a client that still sends would not read the answer")
		}
		b.Give(9 << 20)
		require.Zero(t, b.Used())

		r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 7<<20)))
		w := httptest.NewRecorder()
		Adapter{Requests: b}.Handler(func(w http.ResponseWriter, r *http.Request) error {
			_, err := ReadBody(w, r, 8<<20, "maxEventBytes")
			return err
		}).ServeHTTP(w, r)
		require.Equal(t, 413, w.Code, "it can never fit, so a retry is useless")
	})
}

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestDecodingTakesWhatTheValuesWeigh(t *testing.T) {
	t.Parallel()
	b := budget.New(1 << 30)
	Adapter{Requests: b}.Handler(func(w http.ResponseWriter, r *http.Request) error {
		body, err := ReadBody(w, r, 8<<20, "x")
		require.NoError(t, err)
		before := b.Used()
		require.NoError(t, Decoding(r.Context(), w, body))
		require.Equal(t, budget.OfJSON(body), b.Used()-before)
		return nil
	}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("["+strings.Repeat("1,", 1000)+"1]")))
	require.Zero(t, b.Used())
}

// An answer holds its memory until the client has read it. Clients that do not read hold
// at most the budget of answers.
func TestAnswersTakeMemoryUntilTheyAreWritten(t *testing.T) {
	t.Parallel()
	b := budget.New(10 << 20)
	large := strings.Repeat("x", 1<<20)
	w := &watching{ResponseRecorder: httptest.NewRecorder(), used: b.Used}
	Adapter{Answers: b}.Handler(func(w http.ResponseWriter, r *http.Request) error {
		require.NoError(t, Reading(r.Context(), w, 2<<20))
		require.Equal(t, int64(copies*2<<20), b.Used())
		return JSON(w, 200, large)
	}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.InDelta(t, copies<<20, w.saw, 100)
	require.Zero(t, b.Used())
	Adapter{Answers: b}.Handler(func(w http.ResponseWriter, r *http.Request) error {
		return JSON(w, 200, strings.Repeat(large, 9))
	}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, 200, w.Code, "an answer larger than the budget is sent alone")
	require.Zero(t, b.Used())
}

type watching struct {
	*httptest.ResponseRecorder
	used func() int64
	saw  int64
}

func (w *watching) Write(p []byte) (int, error) {
	w.saw = w.used()
	return w.ResponseRecorder.Write(p)
}

// However a request ends, all its memory is returned.
func TestRequestsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	b, answers := budget.New(8<<20), budget.New(8<<20)
	a := Adapter{Requests: b, Answers: answers}
	read := func(then func(http.ResponseWriter, *http.Request) error) Handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			if _, err := ReadBody(w, r, 1<<20, "x"); err != nil {
				return err
			}
			return then(w, r)
		}
	}
	mux := http.NewServeMux()
	for path, h := range map[string]Handler{
		"/ok":    read(func(w http.ResponseWriter, _ *http.Request) error { return JSON(w, 200, strings.Repeat("x", 1<<20)) }),
		"/error": read(func(http.ResponseWriter, *http.Request) error { return errors.New("bug") }),
		"/panic": read(func(http.ResponseWriter, *http.Request) error { panic("bug") }),
		"/abort": read(func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }),
		"/late": read(func(w http.ResponseWriter, r *http.Request) error {
			_ = Reading(r.Context(), w, 1<<20)
			w.WriteHeader(200)
			panic("late")
		}),
		"/decode": read(func(w http.ResponseWriter, r *http.Request) error {
			return Decoding(r.Context(), w, bytes.Repeat([]byte("["), 1<<14))
		}),
		"/hijack": read(func(w http.ResponseWriter, _ *http.Request) error {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = c.Close()
			}
			return err
		}),
	} {
		mux.Handle(path, a.Handler(h))
	}
	srv := httptest.NewServer(mux)
	var wg sync.WaitGroup
	paths := []string{"/ok", "/error", "/panic", "/abort", "/late", "/decode", "/hijack"}
	for i := range 70 {
		wg.Go(func() {
			path := paths[i%len(paths)]
			var body io.Reader = strings.NewReader(strings.Repeat("x", i<<14%(2<<20)))
			if i%3 == 0 {
				body = io.MultiReader(body) // hides the length
			}
			if i%5 == 0 { // the body breaks off
				c, err := net.Dial("tcp", srv.Listener.Addr().String())
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\nxxx")
				_ = c.Close()
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*time.Millisecond+50*time.Millisecond) // some clients disconnect
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "POST", srv.URL+path, body)
			if err != nil {
				return
			}
			if resp, err := http.DefaultClient.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	srv.Close() // waits for the handlers, except those of hijacked connections
	require.Eventually(t, func() bool { return b.Used() == 0 && answers.Used() == 0 }, time.Minute, time.Millisecond)
}

// A client retries a request that was answered with 503. So a change that has been made
// is never answered with 503, however little memory there is for the answer.
func TestChangesAreAnsweredWithoutMemory(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		method string
		reads  int // bytes of the body
		acting bool
		status int
	}{
		"a read":                     {"GET", 0, false, 503},
		"a change by a safe method":  {"GET", 0, true, 200},
		"a change":                   {"POST", 0, false, 200},
		"a change with a large body": {"PUT", 2 << 20, false, 200},
	} {
		synctest.Test(t, func(t *testing.T) {
			requests, answers := budget.New(10<<20), budget.New(4<<20)
			require.True(t, answers.Try(3<<20)) // slow readers hold it
			w := httptest.NewRecorder()
			Adapter{Requests: requests, Answers: answers}.Handler(func(w http.ResponseWriter, r *http.Request) error {
				if _, err := ReadBody(w, r, 8<<20, "x"); err != nil {
					return err
				}
				if c.acting {
					Acting(w)
				}
				return JSON(w, 200, large)
			}).ServeHTTP(w, httptest.NewRequest(c.method, "/", strings.NewReader(strings.Repeat("x", c.reads))))
			require.Equal(t, c.status, w.Code, name)
			require.Zero(t, requests.Used())
			require.Equal(t, int64(3<<20), answers.Used())
		})
	}
}

// An answer uses the memory that Answering took, and nothing of the budget of answers.
func TestAnswering(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests, answers := budget.New(10<<20), budget.New(10<<20)
		a := Adapter{Requests: requests, Answers: answers}
		worked := 0
		h := a.Handler(func(w http.ResponseWriter, r *http.Request) error {
			require.NoError(t, Answering(r.Context(), w, largeAnswer))
			require.Zero(t, HoldOf(w).Bytes(), "small answers are covered by the connection's estimate")
			if err := Answering(r.Context(), w, 2<<20); err != nil {
				return err
			}
			worked++
			require.Equal(t, int64(copies*2<<20), HoldOf(w).Bytes())
			return JSON(w, 200, strings.Repeat("x", 1<<20))
		})
		w := &watching{ResponseRecorder: httptest.NewRecorder(), used: answers.Used}
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
		require.Equal(t, 200, w.Code)
		require.Zero(t, w.saw)
		require.Zero(t, requests.Used())

		require.True(t, requests.Try(9<<20))
		refused := httptest.NewRecorder()
		h.ServeHTTP(refused, httptest.NewRequest("POST", "/", nil))
		require.Equal(t, 503, refused.Code)
		require.Equal(t, 1, worked, "refused before the handler's work")
	})
}

// net/http answers 200 for a handler that writes nothing. So an error is always written,
// even if there is no memory for its whole text.
func TestErrorsAreAnsweredWithoutMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := budget.New(4 << 20)
		require.True(t, answers.Try(4<<20))
		for _, method := range []string{"GET", "POST"} {
			for _, f := range []*fault.Error{
				{Code: fault.Invalid, Message: "the definition has faults", Details: make([]fault.Detail, 10_000)},
				fault.New(fault.Invalid, "%s", strings.Repeat("é", 1<<20)),
			} {
				w := httptest.NewRecorder()
				Adapter{Answers: answers}.Handler(func(http.ResponseWriter, *http.Request) error { return f }).ServeHTTP(w, httptest.NewRequest(method, "/", nil))
				require.Equal(t, 400, w.Code)
				require.Contains(t, w.Body.String(), `"status":400`)
			}
		}
	})
}

package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/budget"
)

// piped serves h over pipes, so that the deadlines follow synctest's clock. dial returns
// the client's end.
func piped(t *testing.T, h http.Handler) (dial func() net.Conn) {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		_ = srv.Close()
		wg.Wait()
		time.Sleep(time.Minute) // synctest's time: let the connections end
	})
	return func() net.Conn {
		client, server := net.Pipe()
		l.conns <- server
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
}

type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// post sends a request whose body send writes, and returns the status of the answer.
func post(t *testing.T, c net.Conn, length int, send func(io.Writer)) int {
	t.Helper()
	_, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
	require.NoError(t, err)
	go send(c)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
		return 0
	}
	require.NoError(t, err)
	return resp.StatusCode
}

func ok(w http.ResponseWriter, r *http.Request) error {
	if _, err := ReadBody(w, r, 16<<20, "a batch"); err != nil {
		return err
	}
	return JSON(w, 200, "ok")
}

// A connection that announces a large body and sends little holds little memory, and not
// for long, so that other requests are still served.
func TestIdleBodiesHoldLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(300 << 20)
		dial := piped(t, Adapter{Requests: b}.Handler(ok))
		const idle = 100
		statuses := make(chan int, idle)
		begin := time.Now()
		for i := range idle {
			go func() {
				statuses <- post(t, dial(), 16<<20, func(w io.Writer) { _, _ = w.Write(make([]byte, i%2)) })
			}()
		}
		synctest.Wait()
		require.LessOrEqual(t, b.Used(), int64(idle*copies*(firstStep+2*overhead)))
		status := post(t, dial(), 5<<20, func(w io.Writer) { _, _ = w.Write(make([]byte, 5<<20)) })
		require.Equal(t, 200, status)
		require.Less(t, time.Since(begin), time.Second)
		for range idle {
			require.Equal(t, 503, <-statuses)
		}
		require.Equal(t, paceTime, time.Since(begin))
		synctest.Wait()
		require.Zero(t, b.Used())
	})
}

func TestSlowBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		length, each int
		every        time.Duration
		status       int
		most         time.Duration
	}{
		"small and steady":   {100 << 10, 10 << 10, time.Second, 200, 20 * time.Second},
		"large and steady":   {2 << 20, 64 << 10, 2 * time.Second, 200, 2 * time.Minute},
		"byte by byte":       {1 << 20, 1, time.Second, 503, paceTime},
		"large and too slow": {16 << 20, 64 << 10, time.Second, 503, bodyTime},
		"tiny":               {2 << 10, 100, time.Second, 200, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(300 << 20)
			dial := piped(t, Adapter{Requests: b}.Handler(func(w http.ResponseWriter, r *http.Request) error {
				if err := ok(w, r); err != nil {
					return err
				}
				time.Sleep(10 * time.Minute) // the handler may take longer than the body may
				require.NoError(t, r.Context().Err(), name)
				return nil
			}))
			begin := time.Now()
			var took atomic.Int64
			status := post(t, dial(), c.length, func(w io.Writer) {
				for sent := 0; sent < c.length; sent += c.each {
					if _, err := w.Write(make([]byte, min(c.each, c.length-sent))); err != nil {
						return
					}
					took.Store(int64(time.Since(begin)))
					time.Sleep(c.every)
				}
			})
			require.Equal(t, c.status, status, name)
			require.LessOrEqual(t, time.Duration(took.Load()), c.most, name)
			synctest.Wait()
			require.Zero(t, b.Used(), name)
		})
	}
}

// Half-read bodies that need each other's memory do not block each other: some are
// refused and free their memory, and the others are read to the end.
func TestHalfReadBodiesDoNotBlockEachOther(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int64{"of known length": 4 << 20, "chunked": -1} {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(14 << 20) // enough for one body
			h := Adapter{Requests: b}.Handler(ok)
			begin := time.Now()
			statuses := make(chan int, 10)
			for i := range cap(statuses) {
				go func() {
					time.Sleep(time.Duration(i) * 100 * time.Millisecond)
					r := httptest.NewRequest("POST", "/", &steady{strings.NewReader(strings.Repeat("x", 4<<20))})
					r.ContentLength = length
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					statuses <- w.Code
				}()
			}
			counts := map[int]int{}
			for range cap(statuses) {
				counts[<-statuses]++
			}
			t.Log(name, counts, time.Since(begin))
			require.Positive(t, counts[200], name)
			require.Equal(t, cap(statuses), counts[200]+counts[503], name)
			require.Less(t, time.Since(begin), time.Minute, name)
			require.Zero(t, b.Used(), name)
		})
	}
}

// steady delays each piece, as a network does.
type steady struct{ r io.Reader }

func (s *steady) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return s.r.Read(p[:min(len(p), 32<<10)])
}

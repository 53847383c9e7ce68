package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/budget"
)

// ask sends a request over a connection.
func ask(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
}

// A client that does not take its answer at a pace loses it, and its memory is free for others.
func TestSlowReadersHoldMemoryForAShortTime(t *testing.T) {
	t.Parallel()
	const size = 6 << 20
	for name, c := range map[string]struct {
		each  int // bytes that the client reads at a time; 0: none
		every time.Duration
		whole bool
		most  time.Duration // for which the memory is held
	}{
		"never":            {0, 0, false, paceTime},
		"byte by byte":     {1, time.Second, false, paceTime},
		"stops half way":   {2 << 20, time.Minute, false, paceTime},
		"steady":           {64 << 10, 2 * time.Second, true, AnswerTime},
		"steady, too slow": {20 << 10, 1100 * time.Millisecond, false, AnswerTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(64 << 20)
			took := time.Duration(0)
			dial := piped(t, Adapter{Answers: b}.Handler(func(w http.ResponseWriter, _ *http.Request) error {
				begin := time.Now()
				err := JSON(w, 200, strings.Repeat("x", size))
				took = time.Since(begin)
				return err
			}))
			conn := dial()
			ask(t, conn)
			read := int64(0)
			for buf := make([]byte, c.each); c.each > 0 && read <= size; time.Sleep(c.every) {
				n, err := io.ReadFull(conn, buf)
				if read += int64(n); err != nil {
					break
				}
			}
			time.Sleep(AnswerTime + time.Minute)
			synctest.Wait()
			require.Zero(t, b.Used(), name)
			require.Equal(t, c.whole, read > size, name)
			require.LessOrEqual(t, took, c.most+time.Second, name)
		})
	}
}

// Only the time for which the client keeps a write waiting counts: an answer may be made slowly.
// What follows on the connection has its own time.
func TestAnAnswerMayBeMadeSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		dial := piped(t, Adapter{}.Handler(func(w http.ResponseWriter, _ *http.Request) error {
			if asked++; asked > 1 {
				return JSON(w, 200, "small")
			}
			Pace(w, 0)
			for range 20 {
				if _, err := w.Write(make([]byte, 100<<10)); err != nil {
					return err
				}
				time.Sleep(2 * paceTime)
			}
			return nil
		}))
		conn := dial()
		in := bufio.NewReader(conn)
		for _, size := range []int{20 * 100 << 10, len("\"small\"\n")} {
			ask(t, conn)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Len(t, body, size)
			time.Sleep(2 * paceTime)
		}
	})
}

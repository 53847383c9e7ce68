package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
)

// A client that sends its whole body before it reads gets the answer, whatever refused the
// request before its body was read.
func TestARefusalIsSeenAfterTheWholeBody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h      Handler
		status int
	}{
		"over the limit": {func(w http.ResponseWriter, r *http.Request) error {
			_, err := ReadBody(w, r, 1<<20, "maxEventBytes")
			return err
		}, 413},
		"unknown": {fails(fault.New(fault.NotFound, "no")), 404},
		"unnamed": {fails(fault.New(fault.Unauthenticated, "who?")), 401},
	} {
		server := httptest.NewServer(Adapter{}.Handler(c.h))
		t.Cleanup(server.Close)
		for _, chunked := range []bool{false, true} {
			for range 5 {
				require.Equal(t, c.status, sendWhole(t, server.Listener.Addr().String(), 8<<20, chunked), "%s, chunked: %v", name, chunked)
			}
		}
	}
}

// sendWhole sends a body of that size, and only then reads the status.
func sendWhole(t *testing.T, addr string, size int, chunked bool) int {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	length, end := fmt.Sprintf("Content-Length: %d\r\n\r\n", size), ""
	if chunked {
		length, end = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size), "\r\n0\r\n\r\n"
	}
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+length)
	require.NoError(t, err)
	for sent := 0; sent < size; sent += 64 << 10 {
		_, err := conn.Write(make([]byte, 64<<10))
		require.NoError(t, err, "a broken pipe after %d bytes", sent)
	}
	_, err = io.WriteString(conn, end)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

// What is read of a refused body is bounded, in bytes and in time.
func TestDrainingIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		length int
		sends  int // bytes; then the client waits
		most   time.Duration
	}{
		"a client that stops":           {8 << 20, 1 << 20, drainTime},
		"a body that nobody would read": {drainBytes + 1, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			dial := piped(t, Adapter{}.Handler(fails(fault.New(fault.TooLarge, "too large"))))
			begin := time.Now()
			status := post(t, dial(), c.length, func(w io.Writer) { _, _ = w.Write(make([]byte, c.sends)) })
			require.Equal(t, 413, status, name)
			require.Equal(t, c.most, time.Since(begin), name)
		})
	}
}

package outbound_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
)

func client(t *testing.T, o outbound.Options) *http.Client {
	t.Helper()
	c, err := outbound.New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c.HTTP()
}

func get(t *testing.T, c *http.Client, target string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	require.NoError(t, err)
	resp, err := c.Do(req)
	if err == nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

// Every internal range, in every form that an address can be written in.
func TestHostileTargets(t *testing.T) {
	t.Parallel()
	c := client(t, outbound.Options{AllowHTTP: true, Attempts: 1, Timeout: 5 * time.Second})
	for _, host := range []string{
		"127.0.0.1", "127.8.8.8", "localhost", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "169.254.1.1", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
		"[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]",
		"[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", // mapped
		"[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", // NAT64
		"[2002:7f00:1::]", "[2001::1]", // 6to4, Teredo
		"0x7f000001", "2130706433", "017700000001", "127.1", // other spellings
	} {
		_, err := get(t, c, "http://"+host+":9/latest/meta-data?secret=hunter2")
		require.Error(t, err, host)
		f, ok := errors.AsType[*fault.Error](err)
		require.True(t, ok, "%s: %v", host, err)
		require.True(t, strings.Contains(f.Message, "internal address") || strings.Contains(f.Message, "no host") || strings.Contains(f.Message, "cannot be resolved"),
			"%s: %s", host, f.Message)
		require.NotContains(t, f.Error(), "hunter2")
	}
	for _, target := range []string{"file:///etc/passwd", "ftp://example.org/", "gopher://example.org/", "http:///x"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		require.NoError(t, err)
		_, err = c.Do(req)
		require.Error(t, err, target)
	}
}

// dns answers each question with the next address, and repeats the last one.
func dns(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	var mu sync.Mutex
	n := 0
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			q := append([]byte(nil), buf[:size]...)
			end := 12
			for end < len(q) && q[end] != 0 {
				end += int(q[end]) + 1
			}
			kind := binary.BigEndian.Uint16(q[end+1:])
			reply := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end+5]...)
			mu.Lock()
			ip := netip.MustParseAddr(answers[min(n, len(answers)-1)])
			if ip.Is4() == (kind == 1) { // an A or an AAAA record
				n++
				reply[7] = 1
				reply = append(reply, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(ip.BitLen()/8))
				reply = append(reply, ip.AsSlice()...)
			}
			mu.Unlock()
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// A name may resolve to a harmless address when it is checked, and to another when it is
// dialled. The client checks the address to which it connects.
func TestDNSRebinding(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	for _, answers := range [][]string{{"127.0.0.1"}, {"192.0.2.1", "127.0.0.1"}, {"169.254.169.254"}} {
		c := client(t, outbound.Options{AllowHTTP: true, Attempts: 2, Timeout: 5 * time.Second, Resolver: dns(t, answers...), Sleep: func(context.Context, time.Duration) error { return nil }})
		for range 3 {
			_, err := get(t, c, "http://rebind.example:"+port+"/")
			require.ErrorContains(t, err, "internal address")
		}
	}
	require.False(t, reached.Load())

	// A listed host may be internal, but not an address that serves a cloud's credentials.
	c := client(t, outbound.Options{AllowHTTP: true, Allow: []string{"rebind.example"}, Resolver: dns(t, "127.0.0.1")})
	_, err = get(t, c, "http://rebind.example:"+port+"/")
	require.NoError(t, err)
	for _, answer := range []string{"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "64:ff9b::a9fe:a9fe", "64:ff9b::6464:64c8"} {
		c = client(t, outbound.Options{AllowHTTP: true, Allow: []string{"rebind.example"}, Resolver: dns(t, answer), Attempts: 1, Timeout: 2 * time.Second})
		_, err = get(t, c, "http://rebind.example:"+port+"/")
		require.ErrorContains(t, err, "internal address", answer)
	}
}

func TestAllowedTargets(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	for _, allow := range []string{"127.0.0.1", "127.0.0.0/8", addr} {
		_, err := get(t, client(t, outbound.Options{Allow: []string{allow}}), srv.URL)
		require.NoError(t, err, allow)
	}
	_, err := get(t, client(t, outbound.Options{AllowLoopback: true}), srv.URL)
	require.NoError(t, err)
	_, err = get(t, client(t, outbound.Options{}), "http://example.org/")
	require.ErrorContains(t, err, "must use https")
	_, err = get(t, client(t, outbound.Options{HTTPSetting: "sync.allowHTTP"}), "http://example.org/")
	require.ErrorContains(t, err, "calls to example.org must use https, unless sync.allowHTTP in the configuration is true")
	for _, bad := range []string{"", "http://x", "a b", "x/y", "*"} {
		_, err := outbound.New(outbound.Options{Allow: []string{bad}})
		require.Error(t, err, bad)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var other *httptest.Server
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/other":
			http.Redirect(w, r, other.URL+"/end", http.StatusFound)
		case "/circle":
			http.Redirect(w, r, "/circle", http.StatusFound)
		case "/internal":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}
	}))
	defer srv.Close()
	other = httptest.NewServer(srv.Config.Handler)
	defer other.Close()
	follow := client(t, outbound.Options{AllowLoopback: true, MaxRedirects: 5})
	_, err := get(t, follow, srv.URL+"/same")
	require.NoError(t, err)
	for path, says := range map[string]string{"/other": "another host", "/circle": "more than 5 times", "/internal": "another host"} {
		_, err = get(t, follow, srv.URL+path)
		require.ErrorContains(t, err, says)
	}
	never := client(t, outbound.Options{AllowLoopback: true})
	_, err = get(t, never, srv.URL+"/same")
	require.ErrorContains(t, err, "is not followed")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/same", strings.NewReader("x"))
	require.NoError(t, err)
	_, err = follow.Do(req)
	require.ErrorContains(t, err, "would change it to a GET")
}

// answers serves the statuses one after the other, and repeats the last one.
func answers(t *testing.T, headers http.Header, statuses ...int) (*httptest.Server, *atomic.Int64) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		i := int(n.Add(1)) - 1
		for k, v := range headers {
			w.Header()[k] = v
		}
		w.WriteHeader(statuses[min(i, len(statuses)-1)])
	}))
	t.Cleanup(srv.Close)
	return srv, &n
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method string
		key          bool
		statuses     []int
		calls        int64
		status       int
	}{
		{"GET and 503", "GET", false, []int{503, 503, 200}, 3, 200},
		{"GET and 500", "GET", false, []int{500, 200}, 2, 200},
		{"GET and 404", "GET", false, []int{404}, 1, 404},
		{"GET for ever", "GET", false, []int{503}, 4, 503},
		{"POST and 503: it may have happened", "POST", false, []int{503, 200}, 1, 503},
		{"POST and 429: it did not", "POST", false, []int{429, 200}, 2, 200},
		{"POST with a key", "POST", true, []int{503, 200}, 2, 200},
		{"PUT and 500: not safe to assume", "PUT", false, []int{500, 200}, 1, 500},
		{"PUT and 502", "PUT", false, []int{502, 200}, 2, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv, n := answers(t, nil, c.statuses...)
			h := client(t, outbound.Options{AllowLoopback: true, Sleep: func(context.Context, time.Duration) error { return nil }})
			req, err := http.NewRequestWithContext(t.Context(), c.method, srv.URL, strings.NewReader("body"))
			require.NoError(t, err)
			if c.key {
				req.Header.Set(outbound.IdempotencyKey, "k")
			}
			resp, err := h.Do(req)
			require.NoError(t, err)
			_ = resp.Body.Close()
			require.Equal(t, c.status, resp.StatusCode)
			require.Equal(t, c.calls, n.Load())
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	var waits []time.Duration
	sleep := func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	srv, _ := answers(t, http.Header{"Retry-After": {"3"}}, 429, 200)
	resp, err := get(t, client(t, outbound.Options{AllowLoopback: true, Sleep: sleep}), srv.URL)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Len(t, waits, 1)
	require.GreaterOrEqual(t, waits[0], 3*time.Second)
	require.Less(t, waits[0], 5*time.Second)

	srv, n := answers(t, http.Header{"Retry-After": {"3600"}}, 429, 200)
	resp, err = get(t, client(t, outbound.Options{AllowLoopback: true, Sleep: sleep}), srv.URL)
	require.NoError(t, err)
	require.Equal(t, 429, resp.StatusCode, "a wait of an hour is left to the caller")
	require.Equal(t, int64(1), n.Load())
	require.Equal(t, time.Hour, outbound.RetryAfter(resp, time.Now()))
	for text, want := range map[string]time.Duration{"": 0, "soon": 0, "-1": 0, "99999999999999": 24 * time.Hour, "99999999999999999999999": 24 * time.Hour, "Wed, 21 Oct 2015 07:28:00 GMT": 0} {
		require.Equal(t, want, outbound.RetryAfter(&http.Response{Header: http.Header{"Retry-After": {text}}}, time.Now()), text)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	srv, _ := answers(t, nil, 200)
	now := time.Now()
	var waited time.Duration
	h := client(t, outbound.Options{
		AllowLoopback: true, RatePerSecond: 10, Burst: 2, Now: func() time.Time { return now.Add(waited) },
		Sleep: func(_ context.Context, d time.Duration) error { waited += d; return nil },
	})
	for range 12 {
		_, err := get(t, h, srv.URL)
		require.NoError(t, err)
	}
	require.InDelta(t, time.Second, waited, float64(20*time.Millisecond))
}

// All spellings of a host, and all its ports, share one rate.
func TestRatePerHost(t *testing.T) {
	t.Parallel()
	srv, _ := answers(t, nil, 200)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	now := time.Now()
	var waited time.Duration
	h := client(t, outbound.Options{
		AllowHTTP: true, AllowLoopback: true, Resolver: dns(t, "127.0.0.1"), RatePerSecond: 10, Burst: 1, Now: func() time.Time { return now.Add(waited) },
		Sleep: func(_ context.Context, d time.Duration) error { waited += d; return nil },
	})
	for _, host := range []string{"rate.example", "Rate.Example", "rate.example."} {
		_, err := get(t, h, "http://"+host+":"+port)
		require.NoError(t, err)
	}
	require.InDelta(t, 200*time.Millisecond, waited, float64(20*time.Millisecond))
}

func TestSlowServers(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = w.Write([]byte("half"))
			w.(http.Flusher).Flush()
		}
		<-stop
	}))
	t.Cleanup(func() { close(stop); srv.Close() })
	h := client(t, outbound.Options{AllowLoopback: true, Timeout: 50 * time.Millisecond})
	_, err := get(t, h, srv.URL+"/header")
	require.ErrorContains(t, err, "did not answer")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	resp, err := get(t, h, srv.URL+"/body")
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.ErrorContains(t, err, "in the middle of an answer")
}

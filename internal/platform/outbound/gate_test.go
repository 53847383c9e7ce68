package outbound_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/platform/fence/fencetest"
	"github.com/headgate/headgate/internal/platform/outbound"
)

// served counts the requests that reached the server.
type served struct {
	*httptest.Server
	requests atomic.Int64
	bodies   atomic.Int64 // complete ones
	answers  []int        // the statuses of the next answers; then 200
	mu       sync.Mutex
}

func newServed(t *testing.T, kind string, answers ...int) *served {
	s := &served{answers: answers}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if _, err := io.ReadAll(r.Body); err == nil {
			s.bodies.Add(1)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.answers) > 0 {
			w.WriteHeader(s.answers[0])
			s.answers = s.answers[1:]
		}
	}))
	s.EnableHTTP2 = kind == "h2"
	if kind == "http" {
		s.Start()
	} else {
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *served) client(t *testing.T, o outbound.Options) *http.Client {
	o.AllowLoopback = true
	if cert := s.Certificate(); cert != nil {
		o.RootCAs = x509.NewCertPool()
		o.RootCAs.AddCert(cert)
	}
	return client(t, o)
}

func (s *served) send(ctx context.Context, c *http.Client, method string) error {
	var body io.Reader
	if method != http.MethodDelete {
		body = strings.NewReader(strings.Repeat("x", 10_000))
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL, body)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// The fence begins to refuse at each of the places where it is asked. No request leaves
// after that, neither over a new connection nor over a reused one.
func TestNothingLeavesAFencedProcess(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"http", "https", "h2"} {
		for _, method := range []string{http.MethodPatch, http.MethodDelete} {
			for _, reused := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s,%s,reused=%v", kind, method, reused), func(t *testing.T) {
					t.Parallel()
					s := newServed(t, kind)
					c := s.client(t, outbound.Options{})
					if reused {
						require.NoError(t, s.send(t.Context(), c, method))
					}
					before := s.requests.Load()
					refusals := 0
					for n := range 20 {
						err := s.send(fencetest.New(n, nil).In(t.Context()), c, method)
						if err == nil {
							break
						}
						refusals++
						require.ErrorIs(t, err, fencetest.ErrTurned)
						require.True(t, fence.Refused(err))
						if kind == "h2" || method == http.MethodDelete {
							require.Equal(t, before, s.requests.Load(), "after %d checks", n)
						}
						require.Equal(t, before, s.bodies.Load(), "after %d checks", n)
						if reused { // a request without a fence is not refused on the same connection
							require.NoError(t, s.send(t.Context(), c, method))
							before++
						}
					}
					require.GreaterOrEqual(t, refusals, 2, "the fence is asked before and after the connection is made")
					require.Equal(t, before+1, s.bodies.Load())
				})
			}
		}
	}
}

// A process may be stopped while it waits for the next attempt, or for its turn.
func TestTheFenceIsAskedAgainAfterEveryWait(t *testing.T) {
	t.Parallel()
	t.Run("between attempts", func(t *testing.T) {
		t.Parallel()
		s := newServed(t, "http", 429, 429)
		f := fencetest.New(1<<30, nil)
		c := s.client(t, outbound.Options{Sleep: func(context.Context, time.Duration) error {
			f.Turn()
			return nil
		}})
		require.ErrorIs(t, s.send(f.In(t.Context()), c, http.MethodPatch), fencetest.ErrTurned)
		require.Equal(t, int64(1), s.requests.Load())
	})
	t.Run("for the rate", func(t *testing.T) {
		t.Parallel()
		s := newServed(t, "http")
		f := fencetest.New(1<<30, nil)
		c := s.client(t, outbound.Options{RatePerSecond: 0.001, Sleep: func(context.Context, time.Duration) error {
			f.Turn()
			return nil
		}})
		ctx := f.In(t.Context())
		require.NoError(t, s.send(ctx, c, http.MethodPatch))
		require.ErrorIs(t, s.send(ctx, c, http.MethodPatch), fencetest.ErrTurned)
		require.Equal(t, int64(1), s.requests.Load())
	})
}

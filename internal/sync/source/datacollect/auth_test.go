package datacollect_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

// auth selects which of the credentials are sent. Without it, all are.
func TestAuthSelectsWhatIsSent(t *testing.T) {
	t.Parallel()
	fields := []source.ExtraField{{Name: "apiKey", Value: "k3y"}, {Name: "username", Value: "me"}, {Name: "password", Value: "pa55"}, {Name: "token", Value: "t0ken"}}
	for auth, want := range map[string][2]string{ // X-Api-Key, Authorization
		"": {"k3y", "Basic bWU6cGE1NQ=="}, "none": {}, "basic": {"", "Basic bWU6cGE1NQ=="}, "api-key": {"k3y", ""}, "bearer": {"", "Bearer t0ken"},
	} {
		sent := make(chan http.Header, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent <- r.Header.Clone()
			_, _ = w.Write([]byte(`[]`))
		}))
		t.Cleanup(srv.Close)
		kind := datacollect.SyncServer()
		d := source.Datasource{Type: kind.Name, Auth: auth, URL: srv.URL, ExtraFields: fields}
		require.Empty(t, kind.Check(d))
		s, err := kind.Open(t.Context(), d, source.Env{HTTP: sourcetest.HTTP(t), Now: time.Now})
		require.NoError(t, err)
		_, err = drain(t, s, requestOf(kind))
		require.NoError(t, err)
		got := <-sent
		require.Equal(t, want, [2]string{got.Get("X-Api-Key"), got.Get("Authorization")}, auth)
	}
	for says, d := range map[string]source.Datasource{
		"auth: must be none, basic, api-key or bearer": {Auth: "s3cret"},
		"extraFields: apiKey is required":              {Auth: "api-key"},
		"extraFields: token is required":               {Auth: "bearer"},
	} {
		d.URL = "https://example.org"
		faults := datacollect.SyncServer().Check(d)
		require.Len(t, faults, 1)
		require.Equal(t, says, faults[0].String())
	}
	_, err := datacollect.SyncServer().Open(t.Context(), source.Datasource{URL: "https://example.org", Auth: "basic"}, source.Env{})
	require.ErrorContains(t, err, "there is no username")
}

// n retryAttempts are n + 1 requests, whatever the status, and whether they read or write.
// A 429 is not among them: the run waits for as long as the server asks.
func TestRetryAttemptsAreCounted(t *testing.T) {
	t.Parallel()
	for _, status := range []int{500, 503} {
		for attempts, want := range map[string]int64{"0": 1, "2": 3} {
			var requests atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.WriteHeader(status)
			}))
			t.Cleanup(srv.Close)
			kind := datacollect.SyncServer()
			d := source.Datasource{Type: kind.Name, URL: srv.URL, ExtraFields: []source.ExtraField{{Name: "retryAttempts", Value: attempts}}}
			s, err := kind.Open(t.Context(), d, source.Env{HTTP: sourcetest.HTTP(t), Now: time.Now})
			require.NoError(t, err)
			_, err = drain(t, s, requestOf(kind))
			require.Error(t, err)
			require.Equal(t, want, requests.Swap(0), "pull, %d", status)
			_, err = s.Push(t.Context(), requestOf(kind).Spec, events(1))
			require.Error(t, err)
			require.Equal(t, want, requests.Load(), "push, %d", status)
		}
	}
}

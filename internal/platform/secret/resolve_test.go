package secret_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/secret"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	calls := 0
	status := 200
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		require.Contains(t, []string{"/v1/projects/p/secrets/s/versions/latest:access", "/v1/projects/example.com:p-1/secrets/S_-1/versions/12:access"}, r.URL.Path)
		require.Equal(t, "Bearer access", r.Header.Get("Authorization"))
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"payload":{"data":"aHVudGVyMg=="}}`))
	}))
	defer srv.Close()
	now := time.Now()
	r := &secret.Resolver{
		Getenv: func(name string) string { return map[string]string{"SET": "value"}[name] },
		HTTP:   srv.Client(), Endpoint: srv.URL, Now: func() time.Time { return now },
		Token: func(context.Context) (string, error) { return "access", nil },
	}
	for in, want := range map[string]string{"plain": "plain", "": "", "env:SET": "value", "sm://projects/p/secrets/s": "hunter2", "sm://projects/example.com:p-1/secrets/S_-1/versions/12": "hunter2"} {
		got, err := r.Resolve(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := r.Resolve(t.Context(), "sm://projects/p/secrets/s/versions/latest")
	require.NoError(t, err)
	require.Equal(t, 2, calls, "the secret is cached for a while")
	now = now.Add(time.Hour)
	for code, says := range map[int]string{404: "there is no secret", 403: "grant roles/secretmanager.secretAccessor", 400: "may be disabled or destroyed", 500: "Secret Manager answered 500"} {
		status = code
		_, err = r.Resolve(t.Context(), "sm://projects/p/secrets/s")
		require.ErrorContains(t, err, says)
		require.Equal(t, code == 500, fault.CodeOf(err) == fault.Unavailable, "only some are worth a retry: %d", code)
	}
	for _, name := range []string{
		"projects/p/secrets/s?alt=media", "projects/p/secrets/s#x", "projects/../secrets/s", "projects/p/secrets/..", "projects/p/secrets/s/versions/..",
		"projects/p/secrets/s/versions/1:destroy?", "projects/p/secrets/s%2Fversions", "projects/p/secrets/s.t", "projects/p/secrets/s\n", "projects/p q/secrets/s",
	} {
		_, err = r.Resolve(t.Context(), "sm://"+name)
		require.ErrorContains(t, err, "is not the name of a secret", name)
	}
	for in, says := range map[string]string{"env:UNSET": "UNSET, which holds a credential, is not set", "sm://nonsense": "is not the name of a secret"} {
		_, err = r.Resolve(t.Context(), in)
		require.ErrorContains(t, err, says)
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
	}
	r.Token = func(context.Context) (string, error) { return "", errors.New("none") }
	_, err = r.Resolve(t.Context(), "sm://projects/p/secrets/s")
	require.ErrorContains(t, err, "no Google Cloud credentials")
}

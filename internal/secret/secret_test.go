package secret_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/secret"
)

func TestLooksSecret(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"password", "apiKey", "X-Api-Key", "api_key", "Authorization", "access_token", "client-secret", "key", "auth", "pwd", "sig", "Set-Cookie"} {
		require.True(t, secret.LooksSecret(name), name)
	}
	for _, name := range []string{"user", "url", "table", "keyColumn", "delimiter", "author", "monkey"} {
		require.False(t, secret.LooksSecret(name), name)
	}
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                   "",
		"https://example.org/x?page=2":       "https://example.org/x?page=2",
		"postgres://me:pw@db:5432/x":         "postgres://me:REDACTED@db:5432/x",
		"https://example.org/?token=t&x=1":   "https://example.org/?token=REDACTED&x=1",
		"https://example.org/?access_token=": "https://example.org/?access_token=REDACTED",
		"env:DATABASE_URL":                   "env:DATABASE_URL",
		"sm://projects/p/secrets/s":          "sm://projects/p/secrets/s",
		"://me:pw@host":                      "REDACTED",
		"readings.csv":                       "readings.csv",

		// Pairs that url.ParseQuery leaves out.
		"https://example.org/?api_key=a;b&x=1":       "https://example.org/?api_key=REDACTED&x=1",
		"https://example.org/?token=%zz":             "https://example.org/?token=REDACTED",
		"https://example.org/?x=1;token=t;y=2&z=%zz": "https://example.org/?x=1;token=REDACTED&z=%zz",
		"https://example.org/?t%6Fken=t&b=2&a=1":     "https://example.org/?t%6Fken=REDACTED&b=2&a=1",
		"https://example.org/?%zz=t":                 "https://example.org/?%zz=REDACTED",
		"https://example.org/?token=a&token=b":       "https://example.org/?token=REDACTED&token=REDACTED",
		"https://example.org/?monkey=a%20b&sig=c":    "https://example.org/?monkey=a%20b&sig=REDACTED",

		"https://example.org/x#access_token=t&x=1": "https://example.org/x#access_token=REDACTED&x=1",
		"https://example.org/x#/route?key=t":       "https://example.org/x#/route?key=REDACTED",
		"https://example.org/x#token=%zz":          "REDACTED",
		"https://example.org/x#part":               "https://example.org/x#part",

		// A user may be a token, but not a database's.
		"https://ghp_hunter2@example.org/x":               "https://REDACTED@example.org/x",
		"https://sk_hunter2:@example.org/x":               "https://REDACTED@example.org/x",
		"https://ghp_hunter2:x-oauth-basic@example.org/x": "https://REDACTED@example.org/x",
		"postgres://me@db:5432/x":                         "postgres://me@db:5432/x",
		"mysql://me:pw@db/x?tls=true":                     "mysql://me:REDACTED@db/x?tls=true",

		// What the MySQL driver takes.
		"me:pw@tcp(db:3306)/x":           "REDACTED",
		"me:p?w#@:/w@tcp(db:3306)/x?a=b": "REDACTED",
		"my_user:pw@unix(/tmp/s.sock)/x": "REDACTED",
		"mysql:me:pw@tcp(db:3306)/x":     "REDACTED",
		"sqlite:wells.db":                "sqlite:wells.db",
		"wells/me@home.csv":              "wells/me@home.csv",
	} {
		require.Equal(t, want, secret.RedactURL(in), in)
	}
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringMatching(`[a-zA-Z0-9:/?#@%& ]{8,20}`).Draw(t, "password")
		u := url.URL{Scheme: "https", User: url.UserPassword("me", password), Host: "example.org", RawQuery: url.Values{"api_key": {password}, "page": {"2"}}.Encode()}
		got := secret.RedactURL(u.String())
		require.NotContains(t, got, password)
		require.NotContains(t, got, url.QueryEscape(password))
		require.Contains(t, got, "page=2")
	})
}

func TestNamesOfCredentials(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Ocp-Apim-Subscription-Key", "X-Key", "X-Auth", "X-Auth-Code", "subscription-key", "db_pass", "key", "apiKey", "X-API-Key", "Proxy-Authorization"} {
		require.True(t, secret.LooksSecret(name), name)
	}
	for _, name := range []string{"X-Tenant", "monkey", "author", "compass", "design", "keyboard", "Accept", "page"} {
		require.False(t, secret.LooksSecret(name), name)
	}
}

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
	require.Equal(t, 2, calls, "it is remembered for a while")
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

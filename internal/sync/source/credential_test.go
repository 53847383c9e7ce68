package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

func TestCredentialsGoToTheHostOfTheURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://api.example.com/v1?x=1":       "api.example.com:443",
		"HTTP://API.example.com:8080":          "api.example.com:8080",
		"http://user:pw@h/":                    "h:80",
		"postgres://me@db/x":                   "db:5432",
		"mariadb://me@db:3307/x":               "db:3307",
		"https://[::1]/":                       "[::1]:443",
		"https://api.example.com@evil.example": "evil.example:443",
		"https://evil.example#@a.example.com":  "evil.example:443",
		"https://evil.example\\@a.example.com": "",
		"sqlite:wells.db":                      "",
		"gs://bucket/object":                   "",
		"env:DATABASE_URL":                     "",
		"me:pw@tcp(db:3306)/x":                 "",
		"readings.csv":                         "",
		"":                                     "",
	} {
		require.Equal(t, want, source.Datasource{URL: url}.To(), url)
		require.Equal(t, want, source.Datasource{FileURL: url}.To(), url)
	}
}

// Every reference in a definition is checked, and the fault names its path.
func TestCheckReferences(t *testing.T) {
	t.Parallel()
	d := source.Datasource{
		URL: "https://h/", FileURL: "env:FILE", Auth: "sm://projects/p/secrets/auth",
		ExtraFields: []source.ExtraField{{Name: "apiKey", Value: "env:FIELD"}},
		Options:     json.RawMessage(`{"headers":{"X-A":"env:HEADER","X-B":"plain"},"auth":{"token":"env:TOKEN"},"types":{"a":{"list":["x","env:DEEP"]}},"n":1}`),
	}
	env := source.Env{MaySend: func(ref, to string) error {
		require.Equal(t, "h:443", to)
		return fault.New(fault.Invalid, "%s is refused", ref)
	}}
	require.Equal(t, []fault.Detail{
		{Path: "fileUrl", Message: "env:FILE is refused"},
		{Path: "auth", Message: "sm://projects/p/secrets/auth is refused"},
		{Path: "extraFields[0].value", Message: "env:FIELD is refused"},
		{Path: "options.auth.token", Message: "env:TOKEN is refused"},
		{Path: "options.headers.X-A", Message: "env:HEADER is refused"},
		{Path: "options.types.a.list[1]", Message: "env:DEEP is refused"},
	}, env.CheckReferences(d))
	require.Equal(t, "h:443", d.Bound())
	require.Empty(t, source.Datasource{URL: "https://h/", Options: json.RawMessage(`{"a":"b"}`)}.Bound())
}

func TestCredential(t *testing.T) {
	t.Parallel()
	d := source.Datasource{URL: "https://h/"}
	got, err := source.Env{}.Credential(t.Context(), d, "options.token", "plain")
	require.NoError(t, err)
	require.Equal(t, "plain", got)
	_, err = source.Env{}.Credential(t.Context(), d, "options.token", "env:X")
	require.ErrorContains(t, err, "datasource.options.token: references to credentials are not resolved here")
	env := source.Env{Secret: func(_ context.Context, ref, to string) (string, error) { return ref + " " + to, nil }}
	got, err = env.Credential(t.Context(), d, "options.token", "env:X")
	require.NoError(t, err)
	require.Equal(t, "env:X h:443", got)
	env.Secret = func(context.Context, string, string) (string, error) { return "", errors.New("hunter2") }
	_, err = env.Credential(t.Context(), d, "options.token", "env:X")
	f, ok := errors.AsType[*fault.Error](err)
	require.True(t, ok)
	require.Equal(t, "datasource.options.token: the credential cannot be found now", f.Message)
}

package credential_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/platform/credential"
)

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

		// Pairs that url.ParseQuery drops.
		"https://example.org/?api_key=a;b&x=1":       "https://example.org/?api_key=REDACTED&x=1",
		"https://example.org/?token=%zz":             "https://example.org/?token=REDACTED",
		"https://example.org/?x=1;token=t;y=2&z=%zz": "https://example.org/?x=REDACTED&z=REDACTED",
		"https://example.org/?t%6Fken=t&b=2&a=1":     "https://example.org/?t%6Fken=REDACTED&b=2&a=1",
		"https://example.org/?%zz=t":                 "https://example.org/?%zz=REDACTED",
		"https://example.org/?token=a&token=b":       "https://example.org/?token=REDACTED&token=REDACTED",
		"https://example.org/?monkey=a%20b&sig=c":    "https://example.org/?monkey=REDACTED&sig=REDACTED",

		"https://example.org/x#access_token=t&x=1": "https://example.org/x#REDACTED",
		"https://example.org/x#/route?key=t":       "https://example.org/x#REDACTED",
		"https://example.org/x#token=%zz":          "REDACTED",
		"https://example.org/x#part":               "https://example.org/x#REDACTED",

		// The user of a web address may be a token; the user of a database is not.
		"https://ghp_hunter2@example.org/x":               "https://REDACTED@example.org/x",
		"https://sk_hunter2:@example.org/x":               "https://REDACTED@example.org/x",
		"https://ghp_hunter2:x-oauth-basic@example.org/x": "https://REDACTED@example.org/x",
		"postgres://me@db:5432/x":                         "postgres://me@db:5432/x",
		"mysql://me:pw@db/x?tls=true":                     "mysql://me:REDACTED@db/x?tls=true",

		// The form of the MySQL driver.
		"me:pw@tcp(db:3306)/x":           "REDACTED",
		"me:p?w#@:/w@tcp(db:3306)/x?a=b": "REDACTED",
		"my_user:pw@unix(/tmp/s.sock)/x": "REDACTED",
		"mysql:me:pw@tcp(db:3306)/x":     "REDACTED",
		"sqlite:wells.db":                "sqlite:wells.db",
		"wells/me@home.csv":              "wells/me@home.csv",

		// Any parameter's name; relative URLs; URLs with placeholders.
		"https://example.org/?code=c0de":          "https://example.org/?code=REDACTED",
		"https://example.org/?c0de&42":            "https://example.org/?REDACTED&42",
		"t?api_key=abc&page=2":                    "t?api_key=REDACTED&page=2",
		"/v1/{type}/{id}?k=s3cret&v={column}":     "/v1/{type}/{id}?k=REDACTED&v={column}",
		"?pin=1234&token=1234":                    "?pin=1234&token=REDACTED",
		"//ghp_hunter2@example.org/x":             "//REDACTED@example.org/x",
		"postgres://me@db:5432/x?sslmode=require": "postgres://me@db:5432/x?sslmode=require",
	} {
		require.Equal(t, want, credential.RedactURL(in), in)
	}
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringMatching(`[a-zA-Z0-9:/?#@%& ]{8,20}`).Draw(t, "password")
		u := url.URL{Scheme: "https", User: url.UserPassword("me", password), Host: "example.org", RawQuery: url.Values{"api_key": {password}, "page": {"2"}}.Encode()}
		got := credential.RedactURL(u.String())
		require.NotContains(t, got, password)
		require.NotContains(t, got, url.QueryEscape(password))
		require.Contains(t, got, "page=2")
	})
}

func TestRedactText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                    "",
		"data.items":                          "data.items",
		"env:NAME":                            "env:NAME",
		"t?api_key=abc":                       "t?api_key=REDACTED",
		"t ?api_key=abc":                      "t ?api_key=REDACTED",
		"SELECT id FROM t WHERE a @> b":       "SELECT id FROM t WHERE a @> b",
		"SELECT a::text || '@' || '?x=y' b":   "SELECT a::text || '@' || '?x=y' b",
		"SELECT dblink('mysql://me:pw@db/x')": "SELECT dblink('mysql://me:REDACTED@db/x')",
		"see https://me@h/x?code=c now":       "see https://REDACTED@h/x?code=REDACTED now",
	} {
		require.Equal(t, want, credential.RedactText(in), in)
	}
}

package definition

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/sync/source"
)

func syncOf(kind, at, options string) Sync {
	return Sync{ID: "s", OrgID: "o", Type: Pull, Datasource: source.Datasource{Type: kind, URL: at, Options: json.RawMessage(options)}}
}

func TestRedactShowsWhatIsNoCredential(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, options, want string }{
		{"csv", `{"headers":{"Password":"pw","a?b":"c?d"},"delimiter":"#","columns":["a@b"]}`, `{"headers":{"Password":"pw","a?b":"c?d"},"delimiter":"#","columns":["a@b"]}`},
		{"api", `{"list":"t?page=2&active=true","items":"data.items","timeoutSeconds":5}`, `{"list":"t?page=2&active=true","items":"data.items","timeoutSeconds":5}`},
		{"api", `{"list":"t?api_key=abc&page=2","create":{"url":"{type}?x=y"}}`, `{"list":"t?api_key=REDACTED&page=2","create":{"url":"{type}?x=REDACTED"}}`},
		{"api", `{"headers":{"X-A":"a","X-B":"b","X-C":"env:C","X-D":"","Authorization":"x"},"publicHeaders":["x-b","Authorization"]}`, `{"headers":{"X-A":"REDACTED","X-B":"b","X-C":"env:C","X-D":"","Authorization":"REDACTED"},"publicHeaders":["x-b","Authorization"]}`},
		{"api", `{"auth":{"type":"basic","username":"u","password":"p"}}`, `{"auth":{"type":"basic","username":"REDACTED","password":"REDACTED"}}`},
		{"api", `{"auth":{"type":"apiKey","header":"X-Key","token":"sm://projects/p/secrets/s"},"paging":{"style":"cursor","param":"page_token","next":"nextToken"}}`, `{"auth":{"type":"apiKey","header":"X-Key","token":"sm://projects/p/secrets/s"},"paging":{"style":"cursor","param":"page_token","next":"nextToken"}}`},
		{"sql", `{"password":"p","tables":{"a":"public.a","b":{"query":"SELECT id, name FROM t WHERE a = 'x' AND b @> c"}}}`, `{"password":"REDACTED","tables":{"a":"public.a","b":{"query":"SELECT id, name FROM t WHERE a = 'x' AND b @> c"}}}`},
		{"mock-sync-server", `{"password":1234567,"apiKey":12,"retryAttempts":3,"timeout":"1000"}`, `{"password":"REDACTED","apiKey":"REDACTED","retryAttempts":3,"timeout":"1000"}`},
	} {
		s := syncOf(c.kind, "https://h/", c.options)
		require.JSONEq(t, c.want, string(s.Redact().Datasource.Options), c.options)
		require.Equal(t, c.options, string(s.Datasource.Options), "the definition is not changed")
	}
	s := Sync{Datasource: source.Datasource{Type: "openfn-adapter", ExtraFields: []source.ExtraField{{Name: "apiKey", Value: "12"}, {Name: "batchSize", Value: "100"}, {Name: "note", Value: "n0te"}, {Name: "password", Value: "env:P"}}}}
	require.Equal(t, []source.ExtraField{{Name: "apiKey", Value: credential.Redacted}, {Name: "batchSize", Value: "100"}, {Name: "note", Value: credential.Redacted}, {Name: "password", Value: "env:P"}}, s.Redact().Datasource.ExtraFields)
}

// No credential is shown, wherever it is in the definition. A definition that is sent back
// as shown keeps it.
func TestNoCredentialIsShownAndNoneIsLost(t *testing.T) {
	t.Parallel()
	places := []string{
		`{"type":"api","url":"https://h/?k=$Q"}`, `{"type":"sql","url":"postgres://u:$Q@h/d"}`, `{"type":"csv","fileUrl":"https://$Q@h/x?$Q#$Q"}`, `{"type":"csv","auth":$J}`,
		`{"type":"openfn-adapter","extraFields":[{"name":"username","value":$J},{"name":"x","value":$J}]}`,
		`{"type":"api","options":{"auth":{"token":$J,"username":$J,"password":$J}}}`, `{"type":"api","options":{"headers":{"X-A":$J}}}`,
		`{"type":"api","options":{"list":"t?x=$Q&y=1","create":{"url":"https://h/t?$Q"},"types":{"a":{"read":{"url":"{id}?a=$Q#$Q"},"update":{"url":"//$Q@h/{id}"}}}}}`,
		`{"type":"legacy-mywell","options":{"accessToken":$J}}`, `{"type":"sql","options":{"password":$J,"tables":{"a":{"query":"SELECT x('postgres://u:$Q@h/d?password=$Q')"}}}}`,
	}
	rapid.Check(t, func(t *rapid.T) {
		secret := "c4n4ry" + rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "secret")
		quoted, _ := json.Marshal(secret)
		text := strings.NewReplacer("$Q", strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"), "$J", string(quoted)).Replace(rapid.SampledFrom(places).Draw(t, "place"))
		var old Sync
		require.NoError(t, json.Unmarshal([]byte(text), &old.Datasource))
		shown := old.Redact()
		body, err := json.Marshal(shown)
		require.NoError(t, err)
		require.NotContains(t, string(body), "c4n4ry")
		require.Empty(t, shown.carriesOver(&old))
		require.Empty(t, shown.keepSecrets(&old))
		back, err := json.Marshal(shown.Datasource)
		require.NoError(t, err)
		require.JSONEq(t, text, string(back))
	})
}

// A redacted credential stays at its place: no change of the definition moves it to another
// system, or to a place where it is shown.
func TestAttackRedactedCredentialIsMoved(t *testing.T) {
	t.Parallel()
	const options = `{"headers":{"X-A":"c4n4ry"},"list":"t?k=c4n4ry","auth":{"type":"bearer","token":"c4n4ry"}}`
	for name, c := range map[string]struct {
		now   Sync
		fault string
	}{
		"another host":          {syncOf("api", "https://evil/", `{"headers":{"X-A":"REDACTED"}}`), "datasource.url"},
		"another port":          {syncOf("api", "https://h:444/", `{"auth":{"type":"bearer","token":"REDACTED"}}`), "datasource.url"},
		"its URL elsewhere":     {syncOf("api", "https://evil/", `{"list":"t?k=REDACTED"}`), "datasource.url"},
		"unencrypted":           {syncOf("api", "http://h/", `{"list":"t?k=REDACTED"}`), "datasource.url"},
		"another kind":          {syncOf("csv", "https://h/", `{"headers":{"X-A":"REDACTED"}}`), "datasource.type"},
		"declared public":       {syncOf("api", "https://h/", `{"headers":{"X-A":"REDACTED"},"publicHeaders":["x-a"]}`), "datasource.options.headers.X-A"},
		"a URL changed":         {syncOf("api", "https://h/", `{"list":"t?k=REDACTED&page=2"}`), "datasource.options.list"},
		"a parameter renamed":   {syncOf("api", "https://h/", `{"list":"t?page=REDACTED"}`), "datasource.options.list"},
		"another header":        {syncOf("api", "https://h/", `{"headers":{"X-B":"REDACTED"}}`), ""},
		"a list in place of it": {syncOf("api", "https://h/", `{"list":["t?k=REDACTED"]}`), ""},
		"another option":        {syncOf("api", "https://h/", `{"items":"REDACTED","list":"t"}`), ""},
	} {
		old, now := syncOf("api", "https://h/", options), c.now
		path := now.carriesOver(&old)
		if path == "" {
			for _, f := range now.keepSecrets(&old) {
				path = f.Path
			}
		}
		require.Equal(t, c.fault, path, name)
		require.NotContains(t, string(now.Datasource.Options), "c4n4ry", name)
	}
	old := syncOf("api", "https://h/?k=c4n4ry", "")
	now := syncOf("api", "https://h/other?k=REDACTED", "")
	require.Len(t, now.keepSecrets(&old), 1, "the path of a URL was changed, and the URL was sent without its credential")
}

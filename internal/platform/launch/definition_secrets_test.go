package launch

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/sync/source"
)

// thief is a server that records every request, and redirects as a test demands.
type thief struct {
	*httptest.Server
	mu  sync.Mutex
	got strings.Builder
	to  string // where it redirects to; "": it answers

	next string // the URL of the next page of a list; "": it has one page
}

func newThief(t *testing.T) *thief {
	x := &thief{}
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.mu.Lock()
		defer x.mu.Unlock()
		_ = r.Header.Write(&x.got)
		user, password, _ := r.BasicAuth()
		x.got.WriteString(r.URL.String() + user + password)
		if x.to != "" {
			http.Redirect(w, r, x.to, http.StatusTemporaryRedirect)
			return
		}
		if x.next != "" {
			w.Header().Set("Link", "<"+x.next+`>; rel="next"`)
			_, _ = w.Write([]byte(`[{"id":1}]`))
			return
		}
		_, _ = w.Write([]byte(`[]`))
	}))
	t.Cleanup(x.Close)
	return x
}

func (x *thief) loot() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.got.String()
}

func (x *thief) redirect(to string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.to = to
}

func (x *thief) setNext(next string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next = next
}

func (x *thief) host() string { u, _ := url.Parse(x.URL); return u.Host }

// use opens the source, as a run and a validation do, and reads rows from it.
func use(t *testing.T, d source.Datasource, env source.Env) error {
	s, err := Kinds()[d.Type].Open(t.Context(), d, env)
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: d.SelectedDatatypes[0], Key: []string{"id"}}, PageSize: 1})
	if err != nil {
		return err
	}
	defer r.Close()
	for range 3 {
		if _, err = r.Next(t.Context()); err != nil {
			return err
		}
	}
	return nil
}

// asking returns definitions of every kind of source that takes credentials. Each has
// the reference at one of the places where a credential may stand.
func asking(url, ref string) map[string]source.Datasource {
	quoted, _ := json.Marshal(ref)
	api := func(options string) source.Datasource {
		return source.Datasource{Type: "api", URL: url, SelectedDatatypes: []string{"x"}, Options: json.RawMessage(strings.ReplaceAll(options, "$", string(quoted)))}
	}
	_, host, _ := strings.Cut(url, "://")
	return map[string]source.Datasource{
		"bearer":       api(`{"auth":{"type":"bearer","token":$}}`),
		"basic":        api(`{"auth":{"type":"basic","username":"u","password":$}}`),
		"key":          api(`{"auth":{"type":"apiKey","token":$}}`),
		"key in query": api(`{"auth":{"type":"apiKey","token":$,"query":"k"}}`),
		"header":       api(`{"headers":{"X-Custom":$}}`),
		"mywell":       {Type: "legacy-mywell", URL: url, SelectedDatatypes: []string{"group"}, Options: json.RawMessage(`{"accessToken":` + string(quoted) + `}`)},
		"openfn":       {Type: "openfn-adapter", URL: url, SelectedDatatypes: []string{"event"}, ExtraFields: []source.ExtraField{{Name: "apiKey", Value: ref}, {Name: "retryAttempts", Value: "0"}}},
		"sync server":  {Type: "mock-sync-server", URL: url, SelectedDatatypes: []string{"event"}, Options: json.RawMessage(`{"username":"u","retryAttempts":0,"password":` + string(quoted) + `}`)},
		"postgres":     {Type: "sql", URL: "postgres://u@" + host + "/d", SelectedDatatypes: []string{"x"}, Options: json.RawMessage(`{"password":` + string(quoted) + `}`)},
		"mysql":        {Type: "sql", URL: "mysql://u@" + host + "/d", SelectedDatatypes: []string{"x"}, Options: json.RawMessage(`{"password":` + string(quoted) + `}`)},
		"certificate":  {Type: "sql", URL: "postgres://u@" + host + "/d?sslmode=verify-full", SelectedDatatypes: []string{"x"}, Options: json.RawMessage(`{"ca":` + string(quoted) + `}`)},
	}
}

// A reference that definitions may not use is never resolved, for any kind of source and
// at any place of a definition.
func TestAttackDefinitionTakesASecretOfTheProcess(t *testing.T) {
	t.Setenv("CANARY_OF_THE_PROCESS", "c4n4ry-0f-the-pr0cess")
	t.Setenv("HEADGATE_SECRET_MINE", "m1ne-0f-the-pr0cess")
	for name, c := range map[string]struct {
		settings Settings
		sync     *config.Sync
		ref      string
		says     string
	}{
		"a laptop":                {Settings{Platform: hosting.Machine}, nil, "env:CANARY_OF_THE_PROCESS", "begins with HEADGATE_SECRET_"},
		"a laptop, its manager":   {Settings{Platform: hosting.Machine}, nil, "sm://projects/p/secrets/s", "list it in sync.secrets"},
		"Cloud Run":               {Settings{Platform: hosting.CloudRun}, nil, "env:HEADGATE_SECRET_MINE", "list it in sync.secrets"},
		"a list of others":        {Settings{Platform: hosting.Machine}, &config.Sync{Secrets: []config.SyncSecret{{Ref: "env:OTHER", Hosts: []string{"127.0.0.1"}}}}, "env:HEADGATE_SECRET_MINE", "list it in sync.secrets"},
		"an empty list":           {Settings{Platform: hosting.Machine}, &config.Sync{Secrets: []config.SyncSecret{}}, "env:HEADGATE_SECRET_MINE", "list it in sync.secrets"},
		"another host":            {Settings{Platform: hosting.Machine}, &config.Sync{Secrets: []config.SyncSecret{{Ref: "env:CANARY_OF_THE_PROCESS", Hosts: []string{"api.example.com"}}}}, "env:CANARY_OF_THE_PROCESS", "may not be sent to 127.0.0.1:"},
		"another port":            {Settings{Platform: hosting.Machine}, &config.Sync{Secrets: []config.SyncSecret{{Ref: "env:CANARY_OF_THE_PROCESS", Hosts: []string{"127.0.0.1:1"}}}}, "env:CANARY_OF_THE_PROCESS", "may not be sent to 127.0.0.1:"},
		"another host of the sm:": {Settings{Platform: hosting.CloudRun}, &config.Sync{Secrets: []config.SyncSecret{{Ref: "sm://projects/p/secrets/s", Hosts: []string{"api.example.com"}}}}, "sm://projects/p/secrets/s", "may not be sent to 127.0.0.1:"},
	} {
		x := newThief(t)
		env, err := sourceEnv(c.settings, (&config.Config{Deployment: config.Deployment{Sync: c.sync}}).SyncSettings(), slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		for place, d := range asking(x.URL, c.ref) {
			faults := env.CheckReferences(d)
			require.Len(t, faults, 1, "%s, %s", name, place)
			require.Contains(t, faults[0].Message, c.ref)
			require.Contains(t, faults[0].Message, c.says)
			err := use(t, d, env)
			require.ErrorContains(t, err, "datasource."+faults[0].Path+": "+c.ref, "%s, %s", name, place)
			require.NotContains(t, err.Error(), "0f-the-pr0cess")
		}
		require.Empty(t, x.loot(), name)
	}
}

// A secret that is allowed for one host is sent to it, and no redirect or link in an
// answer takes it to another.
func TestAttackSecretOfOneHostIsSentToAnother(t *testing.T) {
	t.Setenv("WELLS_TOKEN", "c4n4ry-0f-the-pr0cess")
	mine, other := newThief(t), newThief(t)
	env, err := sourceEnv(Settings{Platform: hosting.Machine}, &config.Sync{Secrets: []config.SyncSecret{{Ref: "env:WELLS_TOKEN", Hosts: []string{mine.host()}}}}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for place, d := range asking(mine.URL, "env:WELLS_TOKEN") {
		if d.Type == "sql" { // thief is not a database
			continue
		}
		require.Empty(t, env.CheckReferences(d))
		before := len(mine.loot())
		_ = use(t, d, env)
		text := mine.loot()[before:]
		require.True(t, strings.Contains(text, "c4n4ry-0f-the-pr0cess"), "%s: it is sent where it belongs", place)
		mine.redirect(other.URL + "/x")
		require.Error(t, use(t, d, env), place)
		mine.redirect(strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/x")
		require.Error(t, use(t, d, env), place)
		mine.redirect("")
	}
	for name, options := range map[string]string{
		"list":     `{"auth":{"type":"bearer","token":"env:WELLS_TOKEN"},"list":"` + other.URL + `/x"}`,
		"relative": `{"auth":{"type":"bearer","token":"env:WELLS_TOKEN"},"list":"//` + other.host() + `/x"}`,
		"type":     `{"auth":{"type":"bearer","token":"env:WELLS_TOKEN"},"types":{"x":{"list":"` + other.URL + `/x"}}}`,
		"create":   `{"auth":{"type":"bearer","token":"env:WELLS_TOKEN"},"create":{"url":"` + other.URL + `/x"}}`,
	} {
		require.Error(t, use(t, source.Datasource{Type: "api", URL: mine.URL, SelectedDatatypes: []string{"x"}, Options: json.RawMessage(options)}, env), name)
	}
	for _, next := range []string{other.URL + "/x", "//" + other.host() + "/x", strings.Replace(mine.URL, "127.0.0.1", "localhost", 1) + "/x", "http://" + mine.host() + "@" + other.host() + "/x"} {
		mine.setNext(next)
		err := use(t, source.Datasource{
			Type: "api", URL: mine.URL, SelectedDatatypes: []string{"x"},
			Options: json.RawMessage(`{"auth":{"type":"bearer","token":"env:WELLS_TOKEN"},"paging":{"style":"link"}}`),
		}, env)
		require.ErrorContains(t, err, "the next page is not on "+mine.URL, next)
	}
	require.Empty(t, other.loot(), "not even a request without the secret")
}

// The configuration's own references need no entry in sync.secrets, and definitions
// cannot use them.
func TestTheConfigurationsOwnReferences(t *testing.T) {
	t.Setenv("HOOK_SECRET", "0f-the-h00k")
	resolve, err := configured(&config.Config{})
	require.NoError(t, err)
	got, err := resolve(t.Context(), "env:HOOK_SECRET")
	require.NoError(t, err)
	require.Equal(t, "0f-the-h00k", got)
	env, err := sourceEnv(Settings{Platform: hosting.Machine}, new(config.Config).SyncSettings(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = env.Secret(t.Context(), "env:HOOK_SECRET", "127.0.0.1:80")
	require.ErrorContains(t, err, "is not allowed for syncs")
}

// A definition that calls http:// is told which setting allows that.
func TestSyncsUseHTTPS(t *testing.T) {
	t.Parallel()
	env, err := sourceEnv(Settings{Platform: hosting.Machine}, new(config.Config).SyncSettings(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.org/", nil)
	require.NoError(t, err)
	_, err = env.HTTP.Do(req)
	require.ErrorContains(t, err, "unless sync.allowHTTP in the configuration is true")
}

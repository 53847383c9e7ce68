package sqlsource

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d    source.Datasource
		want []string // "path: beginning of the message"
	}{
		"fine":            {d: source.Datasource{URL: "postgres://user:pass@db.example.org:5433/wells?sslmode=verify-full"}},
		"all options":     {d: source.Datasource{URL: "mariadb://user@db/wells", Options: json.RawMessage(`{"driver": "mysql", "password": "env:PASSWORD", "tables": {"a": "x.y", "b": {"table": "t"}, "c": {"query": "select 1"}, "d": {"schema": "s", "table": "with.dot"}}, "schema": "s", "tls": "verify", "ca": "env:CA", "batch": 1000, "generatesKeys": true, "attemptColumn": "attempt"}`)}},
		"sqlite":          {d: source.Datasource{URL: "sqlite:some/wells.db"}},
		"no URL":          {want: []string{"url: needed"}},
		"scheme":          {d: source.Datasource{URL: "oracle://x/y"}, want: []string{"url: must begin with"}},
		"memory":          {d: source.Datasource{URL: "sqlite::memory:"}, want: []string{"url: must name a file"}},
		"memory by file":  {d: source.Datasource{URL: "sqlite:file?mode=memory"}, want: []string{"url: must be the name of a file"}},
		"no file":         {d: source.Datasource{URL: "sqlite:"}, want: []string{"url: must name a file"}},
		"local file":      {d: source.Datasource{URL: "postgres://h/d?sslmode=disable&passfile=/etc/passwd"}, want: []string{`url: the parameter "passfile" is not supported`}},
		"host elsewhere":  {d: source.Datasource{URL: "postgres://h/d?host=/var/run"}, want: []string{`url: the parameter "host" is not supported`}},
		"many hosts":      {d: source.Datasource{URL: "postgres://a,b/d"}, want: []string{"url: must name one host"}},
		"no database":     {d: source.Datasource{URL: "postgres://h"}, want: []string{"url: must name a database"}},
		"driver":          {d: source.Datasource{URL: "postgres://h/d", Options: json.RawMessage(`{"driver": "mysql"}`)}, want: []string{"options.driver: is mysql, but"}},
		"two passwords":   {d: source.Datasource{URL: "postgres://u:p@h/d", Options: json.RawMessage(`{"password": "x"}`)}, want: []string{"options.password: is in the URL already"}},
		"tls":             {d: source.Datasource{URL: "mysql://h/d?tls=skip-verify", Options: json.RawMessage(`{"tls": "verify"}`)}, want: []string{"options.tls: contradicts"}},
		"ca not used":     {d: source.Datasource{URL: "postgres://h/d?sslmode=require", Options: json.RawMessage(`{"ca": "env:CA"}`)}, want: []string{"options.ca: nothing is checked against it with tls require"}},
		"not used":        {d: source.Datasource{URL: "mysql://h/d", FileURL: "x", Auth: "y"}, want: []string{"auth: not used", "fileUrl: not used"}},
		"keys":            {d: source.Datasource{URL: "mysql://h/d", Options: json.RawMessage(`{"generatesKeys": true}`)}, want: []string{"options.attemptColumn: needed"}},
		"not an object":   {d: source.Datasource{URL: "mysql://h/d", Options: json.RawMessage(`[]`)}, want: []string{"options: must be an object"}},
		"wrong tables":    {d: source.Datasource{URL: "mysql://h/d", Options: json.RawMessage(`{"tables": {"a": 1}}`)}, want: []string{"options.tables.a: must be a name"}},
		"table and query": {d: source.Datasource{URL: "mysql://h/d", Options: json.RawMessage(`{"tables": {"a": {"table": "t", "query": "q"}}}`)}, want: []string{"options.tables.a: must name a table or have a query"}},
		"all at once": {
			d: source.Datasource{URL: "mysql://h/d", Options: json.RawMessage(`{"batch": "many", "colour": 1, "schema": 7, "tls": "maybe", "zzz": 1}`)},
			want: []string{
				"options.batch: must be an integer", "options.colour: unknown field; the fields are attemptColumn, batch,",
				"options.schema: must be a string", "options.tls: must be", "options.zzz: unknown",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.d.Type = "sql"
			faults := Kind().Check(c.d)
			require.Len(t, faults, len(c.want), "%v", faults)
			for i, f := range faults {
				require.Contains(t, f.String(), c.want[i])
			}
		})
	}
}

// No error repeats a password, wherever the definition holds it.
func TestErrorsShowNoPasswords(t *testing.T) {
	t.Parallel()
	const secret = "hunter2secret"
	for _, d := range []source.Datasource{
		{URL: "postgres://user:" + secret + "@127.0.0.1:1/d"},
		{URL: "mysql://user:" + secret + "@127.0.0.1:1/d"},
		{URL: "postgres://user:" + secret + "@127.0.0.1:99999999/d"},
		{URL: "postgres://user:" + secret + "@[::1/d"},
		{URL: "mysql://user:" + secret + "%zz@127.0.0.1/d"},
		{URL: "oracle://user:" + secret + "@127.0.0.1/d"},
		{URL: "postgres://user:" + secret + "@db.example.org/d?sslmode=disable"},
		{URL: "postgres://user@127.0.0.1:1/d", Options: json.RawMessage(`{"password": "` + secret + `"}`)},
		{URL: "postgres://user@127.0.0.1:1/d", Options: json.RawMessage(`{"password": 7, "` + secret[:3] + `": "` + secret + `"}`)},
	} {
		for _, f := range Kind().Check(d) {
			require.NotContains(t, f.String(), secret)
		}
		s, err := Kind().Open(t.Context(), d, source.Env{})
		if err == nil {
			_, err = s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"id"}}, PageSize: 1})
			require.NoError(t, s.Close())
		}
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
	}
}

func TestSecretsAreResolved(t *testing.T) {
	t.Parallel()
	env := source.Env{Secret: func(_ context.Context, v, to string) (string, error) {
		require.Equal(t, "sm://projects/p/secrets/s/versions/1", v)
		require.Equal(t, "127.0.0.1:5432", to)
		return "resolved", nil
	}}
	d := source.Datasource{URL: "postgres://user@127.0.0.1/d", Options: json.RawMessage(`{"password": "sm://projects/p/secrets/s/versions/1"}`)}
	s, err := Kind().Open(t.Context(), d, env)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Equal(t, "resolved", s.(*sqlSource).engine.(*postgres).pool.Config().ConnConfig.Password)

	env.Secret = func(context.Context, string, string) (string, error) { return "", errors.New("no such secret") }
	_, err = Kind().Open(t.Context(), d, env)
	require.ErrorContains(t, err, "datasource.options.password: the credential cannot be found now")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url     string
		options string
		allow   bool
		want    string // "", "plain", "verify" or "require"
	}{
		"loopback":           {url: "postgres://127.0.0.1/d", want: "plain"},
		"loopback by name":   {url: "mysql://localhost/d", want: "plain"},
		"loopback, verified": {url: "mysql://[::1]/d?tls=true", want: "verify"},
		"beyond":             {url: "postgres://db.example.org/d", want: "verify"},
		"beyond, unverified": {url: "postgres://db.example.org/d?sslmode=require", want: "require"},
		"beyond, plain":      {url: "postgres://db.example.org/d?sslmode=disable"},
		"beyond, by option":  {url: "mysql://10.0.0.1/d", options: `{"tls": "disable"}`},
		"beyond, allowed":    {url: "mysql://db.example.org/d?tls=false", allow: true, want: "plain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, faults := parse(source.Datasource{URL: c.url, Options: json.RawMessage(c.options)})
			require.Empty(t, faults)
			conf, err := o.tlsConfig(source.Env{AllowHTTP: c.allow})
			switch c.want {
			case "":
				require.Equal(t, fault.Invalid, fault.CodeOf(err))
				require.ErrorContains(t, err, "unless sync.allowHTTP in the configuration is true")
				return
			case "plain":
				require.Nil(t, conf)
			default:
				require.Equal(t, c.want == "require", conf.InsecureSkipVerify)
				require.Equal(t, o.host, conf.ServerName)
			}
			require.NoError(t, err)
		})
	}
}

// Every connection goes through the dialer, which refuses internal addresses. The dialer
// gets the name and not an address that was looked up before, because the name could
// lead to another address by then.
func TestDialerDecides(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://db.internal/d", "mysql://db.internal/d"} {
		var asked string
		env := source.Env{DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			asked = network + " " + addr
			return nil, errors.New("refused by the dialer")
		}}
		s, err := Kind().Open(t.Context(), source.Datasource{URL: url}, env)
		require.NoError(t, err)
		_, err = s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"id"}}, PageSize: 1})
		require.ErrorContains(t, err, "refused by the dialer")
		require.Equal(t, fault.Unavailable, fault.CodeOf(err))
		require.Contains(t, asked, "tcp db.internal:")
		require.NoError(t, s.Close())
	}
}

// The message names the cause of a failed connection.
func TestFailuresNameTheirCause(t *testing.T) {
	t.Parallel()
	message := func(url string) string {
		s, err := Kind().Open(t.Context(), source.Datasource{URL: url}, source.Env{DialContext: (&net.Dialer{}).DialContext})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		_, err = s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"id"}}, PageSize: 1})
		f, ok := errors.AsType[*fault.Error](err)
		require.True(t, ok, "%v", err)
		return f.Message
	}
	for _, scheme := range []string{"postgres", "mysql"} {
		require.Contains(t, message(scheme+"://127.0.0.1:1/d"), "the database at 127.0.0.1 does not answer at port 1")
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close() // as a server that stops
			}
		}()
		require.Contains(t, message(scheme+"://"+l.Addr().String()+"/d"), "the connection to the database at "+l.Addr().String()+" was lost")
		require.NoError(t, l.Close())
	}
	for _, s := range []server{onPostgres, onMySQL} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			u := s.serverURL(t)
			u.Path = "/nosuchdatabase"
			require.Contains(t, message(u.String()), "nosuchdatabase")
		})
	}
}

// A login may have as many connections already as it may have.
func TestTheLimitOfConnectionsIsTold(t *testing.T) {
	t.Parallel()
	p := newPlace(t, onPostgres)
	login := "few_" + p.options["schema"].(string)
	p.exec(t, "CREATE ROLE "+login+" LOGIN CONNECTION LIMIT 0")
	t.Cleanup(func() { p.exec(t, "DROP ROLE "+login) })
	u := onPostgres.serverURL(t)
	u.User = url.User(login)
	s, err := Kind().Open(t.Context(), source.Datasource{URL: u.String()}, source.Env{DialContext: (&net.Dialer{}).DialContext})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	_, err = s.Pull(t.Context(), source.Pull{Spec: source.Spec{Datatype: "reading", Key: []string{"id"}}, PageSize: 1})
	require.ErrorContains(t, err, " takes no more connections: too many connections for role")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
}

// A definition cannot use this machine's environment variables or password files.
func TestEnvironmentIsNotUsed(t *testing.T) {
	t.Setenv("PGPASSWORD", "ours")
	t.Setenv("PGUSER", "ours")
	t.Setenv("PGHOST", "ours.example.org")
	t.Setenv("PGSSLMODE", "verify-full")
	t.Setenv("PGAPPNAME", "ours")
	t.Setenv("PGOPTIONS", "-c search_path=ours")
	s, err := Kind().Open(t.Context(), source.Datasource{URL: "postgres://127.0.0.1/d"}, source.Env{DialContext: (&net.Dialer{}).DialContext})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	c := s.(*sqlSource).engine.(*postgres).pool.Config().ConnConfig
	require.Empty(t, c.Password)
	require.Equal(t, "postgres", c.User)
	require.Equal(t, "127.0.0.1", c.Host)
	require.Nil(t, c.TLSConfig)
	require.Empty(t, c.Fallbacks)
	require.Equal(t, "headgate", c.RuntimeParams["application_name"])
	require.NotContains(t, c.RuntimeParams, "options")
}

func TestFilesStayInTheDirectory(t *testing.T) {
	t.Parallel()
	outside, dir := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret.db"), nil, 0o600))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret.db"), filepath.Join(dir, "link.db")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "away")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "inside.db"), nil, 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	open := func(env source.Env, name string) error {
		s, err := Kind().Open(t.Context(), source.Datasource{URL: "sqlite:" + name}, env)
		if err == nil {
			require.NoError(t, s.Close())
		}
		return err
	}
	env := source.Env{Dir: root}
	require.NoError(t, open(env, "inside.db"))
	require.NoError(t, open(env, "./inside.db"))
	for _, name := range []string{"link.db", "away/secret.db", "../" + filepath.Base(outside) + "/secret.db", filepath.Join(outside, "secret.db"), "away", ".", "nothing.db", "file:inside.db"} {
		err := open(env, name)
		require.Error(t, err, name)
		require.NotEqual(t, fault.Internal, fault.CodeOf(err), name)
	}
	require.ErrorContains(t, open(source.Env{}, "inside.db"), "sync.directory is not configured")
	require.Equal(t, fault.NotFound, fault.CodeOf(open(env, "nothing.db")))
	require.NoFileExists(t, filepath.Join(dir, "nothing.db"))
}

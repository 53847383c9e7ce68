package unused_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/unused"
)

// service has dead letters, and the further fields.
func service(more string) string {
	return `{"serviceName":"s","trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"}],"targetPubSub":{"topic":"projects/p-1/topics/sync"}` + more + `}`
}

const (
	letters = `,"deadLetter":{"topic":"projects/p-1/topics/dead"}`
	session = `"trigger":{"type":"window","window":"session","observationPeriod":60`
)

// found returns the paths of what nothing uses.
func found(t *testing.T, cfg string, syncs []source.Datasource, webhooks ...string) []string {
	t.Helper()
	c, err := config.Parse([]byte(cfg))
	require.NoError(t, err, cfg)
	paths := []string{}
	for _, one := range unused.Find(c, syncs, webhooks) {
		require.NotEmpty(t, one.Why)
		paths = append(paths, one.Path)
	}
	return paths
}

// requireFound requires the one path where nothing uses the setting, and none where something does.
func requireFound(t *testing.T, used bool, path string, got []string, about any) {
	t.Helper()
	want := []string{path}
	if used {
		want = []string{}
	}
	require.Equal(t, want, got, "%v", about)
}

func TestDeadLetter(t *testing.T) {
	t.Parallel()
	const one = `"serviceName":"s","targetPubSub":{"topic":"projects/p-1/topics/sync"}` + letters
	for cfg, used := range map[string]bool{
		`"trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"}]`:                                                                                           false,
		`"trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"deadLetter"}]`:                                                                                  false,
		`"trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a","filter":"true","onError":"deadLetter"}]`:                                                    true,
		`"trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"}],"correlation":{"key":"event.body.k","onMissing":"deadLetter"}`:                             true,
		`"trigger":{"type":"window","observationPeriod":60},"endpoints":[{"eventKey":"a"}],"feeds":[{"name":"f","routes":[{"when":"true","eventKey":"a"}],"otherwise":"deadLetter"}]`: true,
		session + `,"onClose":"deadLetter"},"endpoints":[{"eventKey":"a"}]`:                                                                                                           true,
		session + `,"onClose":"partial"},"endpoints":[{"eventKey":"a"}]`:                                                                                                              false,
		`"trigger":{"type":"window","window":"tumbling","every":"day","eventTime":"event.body.at","late":"deadLetter"},"endpoints":[{"eventKey":"a"}]`:                                true,
	} {
		requireFound(t, used, "$.deadLetter", found(t, "{"+one+","+cfg+"}", nil), cfg)
	}
	two := fmt.Sprintf(`{"services":[%s,%s]}`, service(""), `{"serviceName":"t","trigger":{"type":"none","observationPeriod":60},"endpoints":[{"eventKey":"a"}],"targetPubSub":{"topic":"projects/p-1/topics/sync"}`+letters+`}`)
	require.Equal(t, []string{"$.services[1].deadLetter"}, found(t, two, nil))
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dir  string
		sync source.Datasource
		used bool
	}{
		{"data", source.Datasource{Type: "csv", FileURL: "rows.csv"}, true},
		{"data", source.Datasource{Type: "csv", FileURL: "https://a.example/rows.csv"}, false},
		{"data", source.Datasource{Type: "sql", URL: "sqlite:rows.db"}, true},
		{"data", source.Datasource{Type: "sql", URL: "postgres://u@db.internal/d"}, false},
		{"data", source.Datasource{Type: "api", URL: "https://a.example/data/rows.csv"}, false},
		{"gs://b/in", source.Datasource{Type: "csv", FileURL: "rows.csv"}, true},
		{"gs://b/in", source.Datasource{Type: "csv", FileURL: "gs://b/in/rows.csv"}, true},
		{"gs://b/in", source.Datasource{Type: "csv", FileURL: "gs://b/inner/rows.csv"}, false},
	} {
		cfg := fmt.Sprintf(`{"sync":{"directory":%q}}`, c.dir)
		requireFound(t, c.used, "$.sync.directory", found(t, cfg, []source.Datasource{c.sync}), c)
	}
	require.Equal(t, []string{"$.sync.directory"}, found(t, `{"sync":{"directory":"data"}}`, nil))
}

// Hosts are compared as hosts: one that has another's name in its own, or in a path, is another.
func TestAllowHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry string
		sync  source.Datasource
		used  bool
	}{
		{"db.internal", source.Datasource{URL: "postgres://u@db.internal/d"}, true},
		{"DB.internal", source.Datasource{URL: "postgres://u@db.Internal./d"}, true},
		{"db.internal:5432", source.Datasource{URL: "postgres://u@db.internal/d"}, true},
		{"db.internal:3306", source.Datasource{URL: "mysql://u@db.internal/d"}, true},
		{"db.internal:5433", source.Datasource{URL: "postgres://u@db.internal/d"}, false},
		{"db.internal", source.Datasource{URL: "https://db.internal.example/"}, false},
		{"db.internal", source.Datasource{URL: "https://a.example/db.internal"}, false},
		{"db.internal", source.Datasource{URL: "https://a.example", Options: json.RawMessage(`{"headers":{"X-From":"db.internal"}}`)}, false},
		{"db.internal", source.Datasource{URL: "https://a.example", Options: json.RawMessage(`{"types":{"t":{"create":{"url":"http://db.internal:8080/{id}"}}}}`)}, true},
		{"10.0.0.7", source.Datasource{URL: "http://10.0.0.7/"}, true},
		{"10.0.0.7", source.Datasource{URL: "http://10.0.0.70/"}, false},
		{"10.0.0.7", source.Datasource{URL: "http://a.example/"}, true}, // it may resolve to the address
		{"10.0.0.7:81", source.Datasource{URL: "http://a.example/"}, false},
		{"10.0.0.0/8", source.Datasource{URL: "http://10.1.2.3/"}, true},
		{"10.0.0.0/8", source.Datasource{URL: "http://192.168.0.1/"}, false},
		{"10.0.0.0/8", source.Datasource{URL: "http://a.example/"}, true},
		{"fd00::/8", source.Datasource{URL: "http://[fd00::1]/"}, true},
		{"[fd00::1]", source.Datasource{URL: "http://[fd00::1]:81/"}, true},
		{"[fd00::1]:80", source.Datasource{URL: "http://[fd00::1]:81/"}, false},
		{"secretmanager.googleapis.com", source.Datasource{URL: "http://10.0.0.1", Auth: "sm://projects/p-1/secrets/s"}, true},
		{"secretmanager.googleapis.com", source.Datasource{URL: "http://10.0.0.1", Auth: "env:HEADGATE_SECRET_A"}, false},
		{"storage.googleapis.com", source.Datasource{Type: "csv", FileURL: "gs://b/rows.csv"}, true},
		{"storage.googleapis.com", source.Datasource{Type: "csv", FileURL: "rows.csv"}, false},
	} {
		cfg := fmt.Sprintf(`{"sync":{"allowHosts":[%q]}}`, c.entry)
		requireFound(t, c.used, "$.sync.allowHosts[0]", found(t, cfg, []source.Datasource{{Type: "csv", FileURL: "x.csv"}, c.sync}), fmt.Sprint(c))
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ref  string
		sync source.Datasource
		used bool
	}{
		{"env:A", source.Datasource{Auth: "env:A"}, true},
		{"env:A", source.Datasource{Auth: "env:AB"}, false},
		{"env:A", source.Datasource{URL: "https://a.example/env:A"}, false},
		{"env:A", source.Datasource{Options: json.RawMessage(`{"auth":{"token":"env:A"}}`)}, true},
		{"env:A", source.Datasource{ExtraFields: []source.ExtraField{{Name: "apiKey", Value: "env:A"}}}, true},
		{"sm://projects/p-1/secrets/s", source.Datasource{Auth: "sm://projects/p-1/secrets/s/versions/latest"}, true},
		{"sm://projects/p-1/secrets/s", source.Datasource{Auth: "sm://projects/p-1/secrets/s/versions/2"}, false},
	} {
		cfg := fmt.Sprintf(`{"sync":{"secrets":[{"ref":%q,"hosts":["a.example"]}]}}`, c.ref)
		requireFound(t, c.used, "$.sync.secrets[0]", found(t, cfg, []source.Datasource{{}, c.sync}), fmt.Sprint(c))
	}
}

func TestAllowTargets(t *testing.T) {
	t.Parallel()
	const echo = `,"echo":{"allowTargets":["in.example:443"]}`
	target := func(url string) string { return `"http":{"url":"` + url + `"}` }
	for more, used := range map[string]bool{
		"": false,
		`,"targets":[{"name":"t",` + target("https://in.example/x") + `}]`:             true,
		`,"targets":[{"name":"t",` + target("https://in.example:444/x") + `}]`:         false,
		`,"targets":[{"name":"t",` + target("https://x.example/in.example:443") + `}]`: false,
		`,"alerts":{"http":[{"url":"https://in.example/"}]}`:                           true,
		`,"drafts":[{"name":"d","externalData":{"url":"https://in.example/"}}]`:        true,
		`,"drafts":[{"name":"d","records":{"orgId":"o","type":"t"}}]`:                  false,
	} {
		requireFound(t, used, "$.echo.allowTargets[0]", found(t, service(echo+more), nil), more)
	}
	for url, used := range map[string]bool{"https://in.example/a": true, "https://sub.in.example/a": false, "http://in.example/": false} {
		requireFound(t, used, "$.echo.allowTargets[0]", found(t, service(echo), nil, url), url)
	}
}

// An entry is found at its own place.
func TestPlaces(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"$.sync.allowHosts[1]", "$.sync.secrets[0]"}, found(t,
		`{"sync":{"allowHosts":["a.example","b.example"],"secrets":[{"ref":"env:A","hosts":["a.example"]},{"ref":"env:B","hosts":["a.example"]}]}}`,
		[]source.Datasource{{URL: "https://a.example", Auth: "env:B"}}))
}

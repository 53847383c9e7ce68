package deploy_test

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/deploy/deploytest"
)

func parse(t *testing.T, text string) *config.Config {
	cfg, err := config.Parse([]byte(text))
	require.NoError(t, err)
	return cfg
}

// Every option that is not valid is named, with its rule.
func TestOptions(t *testing.T) {
	t.Parallel()
	liveOnly := parse(t, `{"live": {}}`)
	for name, c := range map[string]struct {
		o    deploy.Options
		want string
	}{
		"no project": {deploy.Options{}, "--project is required: the configuration has no topic whose project could be meant"},
		"project":    {deploy.Options{Project: "My Project"}, `--project "My Project": must be a project's id: 6 to 30 small letters, digits and dashes`},
		"all at once": {
			deploy.Options{Project: "acme", Region: "europe", Database: "x", Image: "a b"},
			"--project \"acme\": must be a project's id: 6 to 30 small letters, digits and dashes\n" +
				"--region \"europe\": must be a region, such as europe-west3\n" +
				"--database \"x\": must be (default), or 4 to 63 small letters, digits and dashes\n" +
				"--image \"a b\": must be the name of an image, such as europe-west3-docker.pkg.dev/my-project/headgate/headgate:1",
		},
		"image and source": {deploy.Options{Project: "acme-data", Image: "x", Source: "."}, "--image and --source exclude each other: --source builds an image"},
	} {
		_, err := deploy.New(liveOnly, c.o)
		require.EqualError(t, err, c.want, name)
	}
	p, err := deploy.New(liveOnly, deploy.Options{Project: "example.com:acme-data"})
	require.NoError(t, err)
	require.Equal(t, "headgate@acme-data.example.com.iam.gserviceaccount.com", p.Email("headgate"))
}

// The fields of the plan are those of firestore.indexes.json.
func TestFieldsAreThoseOfTheIndexes(t *testing.T) {
	t.Parallel()
	var file struct {
		FieldOverrides []struct {
			CollectionGroup, FieldPath string
			TTL                        bool
			Indexes                    []any
		}
	}
	require.NoError(t, json.Unmarshal(deploytest.Read(t, "../../firestore.indexes.json"), &file))
	var want []deploy.Field
	for _, f := range file.FieldOverrides {
		want = append(want, deploy.Field{Group: f.CollectionGroup, Name: f.FieldPath, Exempt: len(f.Indexes) == 0, TTL: f.TTL})
	}
	require.ElementsMatch(t, want, deploytest.Plans(t)["debounce"].Fields)
}

// A name is used once, whatever the configuration calls its services and endpoints, and has
// only characters that Google Cloud takes.
func TestNames(t *testing.T) {
	t.Parallel()
	p := deploytest.Plan(t, parse(t, `{"services": [
		{"serviceName": "a", "trigger": {"type": "window", "observationPeriod": 60}, "targetPubSub": {"topic": "projects/acme-data/topics/one"}, "endpoints": [
			{"eventKey": "a/b", "source": {"scheduler": {"cron": "* * * * *"}}},
			{"eventKey": "a-b", "source": {"scheduler": {"cron": "* * * * *"}}},
			{"eventKey": "A_B", "source": {"scheduler": {"cron": "* * * * *"}}},
			{"eventKey": "Überlang `+strings.Repeat("x", 80)+`", "source": {"scheduler": {"cron": "* * * * *"}}}]},
		{"serviceName": "ä", "trigger": {"type": "window", "observationPeriod": 60}, "targetPubSub": {"topic": "projects/acme-data/topics/one"}, "endpoints": [{"eventKey": "a"}]},
		{"serviceName": "ö", "trigger": {"type": "window", "observationPeriod": 60}, "targetPubSub": {"topic": "projects/acme-data/topics/one"}, "endpoints": [{"eventKey": "a"}]}]}`), deploy.Options{})
	var names []string
	for _, j := range p.Jobs {
		require.Regexp(t, `^[a-z][a-z0-9-]{0,62}$`, j.Name)
		require.NotContains(t, names, j.Name)
		names = append(names, j.Name)
	}
	require.Len(t, names, 3+1+4)
	require.Equal(t, []string{"one", deploy.Undelivered}, p.Topics)
}

// A call that is an event is repeated until it was taken. The other jobs run each minute anyway.
func TestEventsOfSchedulesAreRepeated(t *testing.T) {
	t.Parallel()
	p := deploytest.Plan(t, parse(t, `{"serviceName": "a", "trigger": {"type": "window", "observationPeriod": 60}, "targetPubSub": {"topic": "projects/acme-data/topics/one"}, "endpoints": [
		{"eventKey": "nightly", "source": {"scheduler": {"cron": "0 3 * * *"}}}]}`), deploy.Options{})
	events := 0
	for _, j := range p.Jobs {
		if strings.HasPrefix(j.Calls.Path, "/event/") {
			require.Positive(t, j.Retries, j.Name)
			events++
		} else {
			require.Equal(t, "* * * * *", j.Cron, j.Name)
		}
	}
	require.Equal(t, 1, events)
}

// Headgate's own account has no role on the project but those that cannot be granted on
// anything smaller.
func TestRolesAreNarrow(t *testing.T) {
	t.Parallel()
	wide := []string{deploy.LiveRole, "roles/workflows.invoker"}
	for name, p := range deploytest.Plans(t) {
		for _, g := range p.Grants {
			if g.To == deploy.Runtime && g.Kind == deploy.OnProject {
				require.Contains(t, wide, g.Role, name)
			}
			for _, basic := range []string{"owner", "editor", "admin", "viewer"} {
				require.False(t, strings.HasSuffix(strings.ToLower(g.Role), "."+basic) || g.Role == "roles/"+basic, "%s: %s", name, g.Role)
			}
		}
	}
}

// No credential of a configuration gets into its plan.
func TestPlansHaveNoCredentials(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("5", 64)
	p := deploytest.Plan(t, parse(t, `{"live": {"token": {"secret": "0123456789abcdef0123456789abcdef", "audience": "a"}},
		"auth": {"tokens": [{"name": "t", "sha256": "`+hash+`", "roles": ["ingest"]}]},
		"hooks": [{"name": "h", "verify": {"type": "bearer", "secrets": ["v3ry-s3cret-t0ken"]}, "entity": "'a'", "id": "'b'", "signal": true}]}`), deploy.Options{Project: "acme-data"})
	data, err := json.Marshal(p)
	require.NoError(t, err)
	for _, secret := range []string{hash, "0123456789abcdef", "v3ry-s3cret"} {
		require.NotContains(t, string(data), secret)
	}
}

// What a person must do for the calls to arrive is said.
func TestNotesOfAuth(t *testing.T) {
	t.Parallel()
	const members = `{"email": "headgate-caller@acme-data.iam.gserviceaccount.com", "roles": ["ingest", "operate"]}`
	notes := func(members string) []string {
		p := deploytest.Plan(t, parse(t, `{"live": {}, "auth": {"oidc": {"audiences": ["https://gate.example.com"], "members": [`+members+`]}}}`), deploy.Options{Project: "acme-data"})
		require.True(t, p.Services[0].Public)
		for _, j := range p.Jobs {
			require.Equal(t, "https://gate.example.com", j.Calls.Audience)
		}
		return slices.DeleteFunc(p.Notes, func(n string) bool { return !strings.HasPrefix(n, "auth.") })
	}
	require.Empty(t, notes(members))
	require.Equal(t, []string{
		`auth.oidc.members must list headgate-caller@acme-data.iam.gserviceaccount.com with the role "operate", or the calls of Scheduler, Pub/Sub and Eventarc are refused`,
	}, notes(strings.Replace(members, `, "operate"`, "", 1)))
}

// A variable whose name Cloud Run's flags would divide, or that would share its secret with
// another one, is refused. A name that only looks like a reference is none.
func TestVariablesAreNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"A-B", "A.B", "A,/etc/x", "1A", "Ä", "a${b}", `A"$(id)"`} {
		text, err := json.Marshal("env:" + name)
		require.NoError(t, err)
		_, err = deploy.New(parse(t, `{"hooks": [{"name": "h", "verify": {"type": "bearer", "secrets": ["env:GOOD_1", `+string(text)+`]}, "entity": "'a'", "id": "'b'", "signal": true}]}`), deploy.Options{Project: "acme-data"})
		require.EqualError(t, err, "$.hooks[0].verify.secrets[1]: env:"+name+": a variable on Cloud Run must be letters, digits and _, and must not begin with a digit")
	}
	p := deploytest.Plan(t, parse(t, `{"serviceName": "env:a-b", "trigger": {"type": "window", "observationPeriod": 60}, "endpoints": [{"eventKey": "env:c-d"}],
		"targetPubSub": {"topic": "projects/acme-data/topics/one"}}`), deploy.Options{})
	require.Len(t, p.Secrets, 1, "the configuration itself")
}

// A variable that already means something in a process on Cloud Run holds no secret. The names
// are those that the program itself reads, as its source says, and those of the platform.
func TestVariablesThatAreTaken(t *testing.T) {
	t.Parallel()
	names := map[string]string{"PORT": "Cloud Run sets it", "K_SERVICE": "Cloud Run sets it", "K_REVISION": "Cloud Run sets it", "K_CONFIGURATION": "Cloud Run sets it", "X_GOOGLE_A": "Cloud Run sets it"}
	const read = "Headgate reads it as a setting"
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "PROJECT_ID", "projectID"} { // read in a loop
		names[name] = read
	}
	literal := regexp.MustCompile(`[gG]etenv\("([A-Za-z_]+)"`)
	for _, folder := range []string{"config", "functions", "internal/cli", "internal/platform", "internal/store", "internal/sync", "internal/doctor"} {
		for _, file := range sources(t, filepath.Join(deploytest.Root(), folder)) {
			for _, m := range literal.FindAllStringSubmatch(string(deploytest.Read(t, file)), -1) {
				if names[m[1]] == "" {
					names[m[1]] = read
				}
			}
		}
	}
	require.Contains(t, names, "CONFIG_FILE")
	for _, name := range []string{
		"PATH", "HOME", "PWD", "USER", "_", "TZ", "HTTP_PROXY", "https_proxy", "No_Proxy", "SSL_CERT_FILE", "GODEBUG", "LD_PRELOAD", "LD_AUDIT",
		"BASH_ENV", "GCE_METADATA_HOST", "GRPC_GO_LOG_FORMATTER", "GOOGLE_API_USE_MTLS", "CLOUDSDK_CORE_ACCOUNT",
	} {
		names[name] = "the system, a shell or a library uses it"
	}
	for name, by := range names {
		_, err := deploy.New(parse(t, `{"hooks": [{"name": "h", "verify": {"type": "bearer", "secrets": ["env:GOOD_1", "env:`+name+`"]}, "entity": "'a'", "id": "'b'", "signal": true}]}`), deploy.Options{Project: "acme-data"})
		require.EqualError(t, err, "$.hooks[0].verify.secrets[1]: env:"+name+" cannot have a secret, because "+by+": give the variable another name")
	}
}

// sources returns the files of Go below a folder, without tests.
func sources(t *testing.T, folder string) (files []string) {
	require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// What a URL names is granted on if it can be a name of Google Cloud. Of other URLs a person
// must take care.
func TestPathsThatNameNothing(t *testing.T) {
	t.Parallel()
	for path, names := range map[string]bool{
		"/v2/projects/acme-data/locations/eu/queues/q/tasks":                    true,
		"/v2/projects/acme-data/locations/eu/queues/--impersonate=x/tasks":      false,
		"/v2/projects/acme-data/locations/eu/queues/$(id)/tasks":                false,
		"/v2/projects/${path.module}/locations/eu/queues/q/tasks":               false,
		"/v1/projects/%24%7Bpath.module%7D/locations/eu/workflows/w/executions": false,
		"/v2/projects/acme-data/locations/%0Aeu/jobs/j:run":                     false,
	} {
		p := deploytest.Plan(t, parse(t, `{"serviceName": "a", "trigger": {"type": "window", "observationPeriod": 60}, "endpoints": [{"eventKey": "a"}],
			"targets": [{"name": "t", "http": {"url": "https://x.googleapis.com`+path+`", "oauth": true}}]}`), deploy.Options{Project: "acme-data"})
		noted := slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, "x.googleapis.com") })
		require.Equal(t, names, !noted, path)
	}
}

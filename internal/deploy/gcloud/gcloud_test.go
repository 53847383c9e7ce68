package gcloud

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/deploy/deploytest"
)

var update = flag.Bool("update", false, "write the golden files")

// The script of each configuration is as expected. After a change, run this with -update.
func TestGolden(t *testing.T) {
	t.Parallel()
	deploytest.Golden(t, *update, ".sh", func(p *deploy.Plan) []byte { return Write(p, "config.json") })
}

// bash and shellcheck find no fault in the scripts.
func TestScriptsAreCorrect(t *testing.T) {
	t.Parallel()
	for _, check := range [][]string{{"bash", "-n"}, {"shellcheck"}} {
		t.Run(check[0], func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(check[0]); err != nil {
				t.Skip("needs " + check[0])
			}
			for name, p := range deploytest.Plans(t) {
				file := filepath.Join(t.TempDir(), name+".sh")
				require.NoError(t, os.WriteFile(file, Write(p, "a 'quoted' name.json"), 0o600))
				out, err := exec.CommandContext(t.Context(), check[0], append(check[1:], file)...).CombinedOutput()
				require.NoError(t, err, "%s: %s", name, out)
			}
		})
	}
}

// A script makes everything, and nothing twice: with no change, with another configuration,
// and after it was stopped half-way. Each command and flag is one that gcloud has. The plans
// are those that have between them every line that a script can have.
func TestScriptsRunAgain(t *testing.T) {
	t.Parallel()
	plans := deploytest.Plans(t)
	for _, name := range []string{"everything", "everything-split", "several-services-with-auth-and-cors"} {
		p := plans[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, p)
			r.run("", "HOOK_SECRET=wh", "HOOK_SECRET_FORMER=before", "NOTIFICATION_CHANNELS=projects/p/notificationChannels/1,projects/p/notificationChannels/2")
			r.made(p)
			for _, a := range p.Alerts {
				require.Equal(t, "projects/p/notificationChannels/1,projects/p/notificationChannels/2", r.Things["alert/"+a.Title]["channels"])
			}
			made, things, grants := slices.Clone(r.Created), deepcopy(r.Things), slices.Clone(r.Grants)

			r.run("")
			require.Equal(t, made, r.Created, "nothing is made twice")
			require.Equal(t, things, r.Things)
			require.Equal(t, grants, r.Grants)

			r.configure(`{"another": "one"}`)
			r.run("")
			require.Equal(t, append(made, "secrets/headgate-config/versions/2"), r.Created)
			for _, s := range p.Services {
				require.Contains(t, r.Things["run services/"+s.Name]["--set-secrets"], "/etc/headgate/config.json=headgate-config:2")
			}
		})
	}
}

func deepcopy(things map[string]map[string]string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for name, flags := range things {
		out[name] = maps.Clone(flags)
	}
	return out
}

// others exist already: the configurations name them, and the scripts do not make them.
var others = []string{"secrets/wells", "run services/alerts"}

// runner runs a script with the stand-in for gcloud.
type runner struct {
	*deploytest.Gcloud
	testing.TB
	script, config string
}

func newRunner(t testing.TB, p *deploy.Plan) *runner {
	dir := t.TempDir()
	r := &runner{Gcloud: deploytest.NewGcloud(t), TB: t, script: filepath.Join(dir, "deploy.sh"), config: filepath.Join(dir, "the config.json")}
	for _, name := range others {
		r.Things[name] = map[string]string{}
	}
	r.configure(`{"one": "configuration"}`)
	require.NoError(t, os.WriteFile(r.script, Write(p, r.config), 0o600))
	return r
}

func (r *runner) configure(text string) {
	require.NoError(r, os.WriteFile(r.config, []byte(text), 0o600))
}

// run runs the script, which fails with the text if there is one.
func (r *runner) run(fails string, env ...string) {
	out, err := r.Bash(r, r.script, append(env, "GITHUB_SECRET=gh"))
	if fails == "" {
		require.NoError(r, err, out)
		return
	}
	require.Error(r, err)
	require.Contains(r, out, fails)
}

// made checks that the things are those of the plan.
func (r *runner) made(p *deploy.Plan) {
	want := append(slices.Clone(others), "firestore databases/"+p.Database, "iam service-accounts/headgate", "iam service-accounts/headgate-caller")
	if p.LiveRole {
		want = append(want, "iam roles/headgateLive")
	}
	if p.Image == "" {
		want = append(want, "iam service-accounts/headgate-builder")
	}
	for _, x := range p.Topics {
		want = append(want, "pubsub topics/"+x)
	}
	for _, x := range p.Subscriptions {
		want = append(want, "pubsub subscriptions/"+x.Name)
	}
	for _, x := range p.Secrets {
		want = append(want, "secrets/"+x.ID)
	}
	for _, x := range p.Queues {
		want = append(want, "tasks queues/"+x.Name)
	}
	for _, x := range p.Services {
		want = append(want, "run services/"+x.Name)
	}
	for _, x := range p.Jobs {
		want = append(want, "scheduler jobs/"+x.Name)
		require.Equal(r, "https://"+x.Calls.Service+"-123456789.europe-west3.run.app"+x.Calls.Path, r.Things["scheduler jobs/"+x.Name]["--uri"])
	}
	for _, x := range p.Triggers {
		want = append(want, "eventarc triggers/"+x.Name)
	}
	for _, x := range p.Metrics {
		want = append(want, "metric/"+x.Name)
	}
	for _, x := range p.Alerts {
		want = append(want, "alert/"+x.Title)
	}
	want = append(want, "dashboard/headgate")
	var got []string
	for name := range r.Things {
		got = append(got, name)
	}
	require.ElementsMatch(r, want, got)
	grants := 0
	if p.Image == "" { // the role of the account that builds
		grants++
	}
	for _, g := range p.Grants {
		if g.To != deploy.Everyone { // a flag of the service says so
			grants++
		}
	}
	require.Len(r, r.Grants, grants)
	require.Equal(r, []string{`{"one": "configuration"}`}, r.Values["headgate-config"])
}

// A secret of the environment is needed once, and its new value becomes a version.
func TestSecretsOfTheEnvironment(t *testing.T) {
	t.Parallel()
	r := newRunner(t, deploytest.Plans(t)["everything"])
	r.run("set HOOK_SECRET in the environment")
	require.NotContains(t, r.Things, "run services/headgate")
	r.run("", "HOOK_SECRET=wh\"$x", "HOOK_SECRET_FORMER=before") // goes on where it stopped
	r.run("")
	r.run("", "HOOK_SECRET=another")
	require.Equal(t, []string{"wh\"$x", "another"}, r.Values["headgate-env-HOOK_SECRET"])
	require.Contains(t, r.Things["run services/headgate"]["--set-secrets"], "HOOK_SECRET=headgate-env-HOOK_SECRET:2")
}

// The facts are those of the gcloud that is installed, as far as its list for completions
// goes. That list has no commands of the tracks alpha and beta.
func TestFactsAreThoseOfGcloud(t *testing.T) {
	t.Parallel()
	gcloud, err := exec.LookPath("gcloud")
	if err != nil {
		t.Skip("needs gcloud")
	}
	root, err := exec.CommandContext(t.Context(), gcloud, "info", "--format=value(installation.sdk_root)").Output()
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "data/cli/gcloud_completions.py"))
	if err != nil {
		t.Skip("this gcloud has no list of its commands")
	}
	_, tree, found := strings.Cut(string(data), "STATIC_COMPLETION_CLI_TREE = ")
	require.True(t, found)
	type command struct {
		Commands map[string]*command
		Flags    map[string]any
	}
	var top command
	require.NoError(t, json.Unmarshal([]byte(tree), &top))
	facts, err := deploytest.ReadFacts()
	require.NoError(t, err)
	for name, known := range facts.Commands {
		if strings.HasPrefix(name, "alpha ") {
			continue
		}
		at := &top
		for word := range strings.FieldsSeq(name) {
			at = at.Commands[word]
			require.NotNil(t, at, "gcloud has no %s", name)
		}
		for f := range known.Flags {
			if _, has := at.Flags[strings.Replace(f, "--no-", "--", 1)]; !has && top.Flags[f] == nil {
				require.Contains(t, at.Flags, f, "gcloud %s", name)
			}
		}
	}
}

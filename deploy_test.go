package main

import (
	"os"
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

// Every command of gcloud in a document and in the build file is one that gcloud has, with
// flags that it takes.
func TestCommandsOfDeployments(t *testing.T) {
	t.Parallel()
	facts, err := deploytest.ReadFacts()
	require.NoError(t, err)
	n := map[string]int{}
	check := func(file, text string) {
		for _, words := range deploytest.Commands(text) {
			words = slices.DeleteFunc(words, func(w string) bool { return w == "$@" || strings.HasPrefix(w, "${") }) // of a function
			if strings.HasSuffix(strings.Join(words, " "), "--help") {
				continue
			}
			_, err := facts.Parse(words)
			require.NoError(t, err, "%s: %q", file, words)
			n[file]++
		}
	}
	for _, file := range documents(t) {
		page := string(deploytest.Read(t, file))
		for _, block := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```$").FindAllStringSubmatch(page, -1) {
			check(file, block[1])
		}
		for _, inline := range regexp.MustCompile("`(gcloud [a-z]+ [^`]+)`").FindAllStringSubmatch(page, -1) {
			check(file, inline[1])
		}
	}
	check("cloudbuild.yaml", string(deploytest.Read(t, "cloudbuild.yaml")))
	for file, least := range map[string]int{
		"docs/deploy.md": 50, "docs/operate.md": 20, "cloudbuild.yaml": 1,
		"docs/sources/eventarc.md": 8, "docs/sources/scheduler.md": 4, "docs/sources/pubsub.md": 6, "docs/sources/workflows.md": 6,
	} {
		require.GreaterOrEqual(t, n[file], least, file)
	}
	require.Contains(t, string(deploytest.Read(t, "docs/deploy.md")), facts.Source[strings.Index(facts.Source, "Google"):strings.Index(facts.Source, ";")][len("Google Cloud SDK "):], "the version of the SDK")
	_, err = facts.Parse(deploytest.Commands("x=$(gcloud run deploy a --region=\"$R\" --imagee=b)")[0])
	require.EqualError(t, err, "gcloud run deploy has no flag --imagee")
}

// documents returns the Markdown files for people.
func documents(t *testing.T) []string {
	files := []string{"README.md", "SECURITY.md"}
	for _, pattern := range []string{"docs/*.md", "docs/sources/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		files = append(files, found...)
	}
	return files
}

// The page of a source names what "headgate deploy" makes of its configuration, and calls it
// by the same path.
func TestSourcePagesNameWhatIsMade(t *testing.T) {
	t.Parallel()
	for page, kind := range map[string]string{"eventarc": "trigger", "scheduler": "job", "pubsub": "subscription"} {
		text := string(deploytest.Read(t, "docs/sources/"+page+".md"))
		block := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(text)
		require.NotNil(t, block, page)
		cfg, err := config.Parse([]byte(block[1]))
		require.NoError(t, err, page)
		plan, err := deploy.New(cfg, deploy.Options{})
		require.NoError(t, err, page)
		made := map[string]string{}
		for _, trigger := range plan.Triggers {
			made["trigger "+trigger.Name] = trigger.Calls.Path
		}
		for _, job := range plan.Jobs {
			made["job "+job.Name] = job.Calls.Path
		}
		for _, s := range plan.Subscriptions {
			if s.Push != nil {
				made["subscription "+s.Name] = s.Push.Path
			}
		}
		n := 0
		for name, path := range made {
			if short, of := strings.CutPrefix(name, kind+" "); of && strings.HasPrefix(short, "headgate-source-") {
				require.Contains(t, text, "create "+map[string]string{"job": "http "}[kind]+short, page)
				require.Contains(t, text, path, page)
				n++
			}
		}
		require.Equal(t, 1, n, page)
	}
}

// A deployment by hand and one by the build give each function the same size.
func TestDeploymentsAgree(t *testing.T) {
	t.Parallel()
	sizes := func(file, pattern string) map[string][]string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		found := map[string][]string{}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = strings.Fields(m[2])
		}
		return found
	}
	byHand := sizes("docs/deploy.md", `(?m)^deploy (\w+) +(--.*)$`)
	built := sizes("cloudbuild.yaml", `(?m)^ +(\w+|\*)\) +size=\((.*)\) ;;$`)
	require.Len(t, byHand, 9)
	require.Len(t, deploy.Sizes, 9)
	for function, size := range byHand {
		planned := deploy.Sizes[function].Flags()
		require.Equal(t, planned, size, function)
		want, own := built[function]
		if !own {
			want = built["*"]
		}
		require.Equal(t, want, size, function)
	}
}

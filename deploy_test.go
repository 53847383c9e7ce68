package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/deploy/deploytest"
)

// Every command of gcloud on the page about deployments and in the build file is one that gcloud has,
// with flags that it takes.
func TestCommandsOfDeployments(t *testing.T) {
	t.Parallel()
	facts, err := deploytest.ReadFacts()
	require.NoError(t, err)
	page := string(deploytest.Read(t, "docs/deploy.md"))
	var texts []string
	for _, block := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```$").FindAllStringSubmatch(page, -1) {
		texts = append(texts, block[1])
	}
	for _, inline := range regexp.MustCompile("`(gcloud [^`]+)`").FindAllStringSubmatch(page, -1) {
		texts = append(texts, inline[1])
	}
	texts = append(texts, string(deploytest.Read(t, "cloudbuild.yaml")))
	n := 0
	for _, text := range texts {
		for _, words := range deploytest.Commands(text) {
			words = slices.DeleteFunc(words, func(w string) bool { return w == "$@" || strings.HasPrefix(w, "${") }) // of a function
			_, err := facts.Parse(words)
			require.NoError(t, err, words)
			n++
		}
	}
	require.Greater(t, n, 50)
	require.Contains(t, page, facts.Source[strings.Index(facts.Source, "Google"):strings.Index(facts.Source, ";")][len("Google Cloud SDK "):], "the version of the SDK")
	_, err = facts.Parse(deploytest.Commands("x=$(gcloud run deploy a --region=\"$R\" --imagee=b)")[0])
	require.EqualError(t, err, "gcloud run deploy has no flag --imagee")
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

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
	for function, size := range byHand {
		want, own := built[function]
		if !own {
			want = built["*"]
		}
		require.Equal(t, want, size, function)
	}
}

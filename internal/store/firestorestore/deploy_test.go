package firestorestore

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDeploymentCommands requires that the gcloud commands of docs/deploy.md make what
// firestore.indexes.json declares, with at most ten commands: an operator uses one of the two.
func TestDeploymentCommands(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/deploy.md")
	require.NoError(t, err)
	commands := string(page)
	loop := regexp.MustCompile(`(?m)^for group in (headgate-.*); do\n(?:  .*\n)+done$`).FindStringSubmatch(commands)
	require.NotNil(t, loop)
	for _, group := range strings.Fields(loop[1]) {
		commands += strings.ReplaceAll(loop[0], "$group", group)
	}
	var got, want []string
	for _, m := range regexp.MustCompile(`fields (?:ttls )?update (\w+) --collection-group=(headgate-\w+) .* --(disable-indexes|enable-ttl)`).FindAllStringSubmatch(commands, -1) {
		got = append(got, m[2]+" "+m[1]+" "+m[3])
	}
	for _, o := range settings().FieldOverrides {
		if len(o.Indexes) == 0 {
			want = append(want, o.CollectionGroup+" "+o.FieldPath+" disable-indexes")
		}
		if o.TTL {
			want = append(want, o.CollectionGroup+" "+o.FieldPath+" enable-ttl")
		}
	}
	require.ElementsMatch(t, want, got)
	require.LessOrEqual(t, len(want), 10)
}

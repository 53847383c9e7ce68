package firestorestore

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDeploymentCommands requires that the gcloud commands of docs/deploy.md make what
// firestore.indexes.json declares: an operator uses one of the two.
func TestDeploymentCommands(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile(indexesFile)
	require.NoError(t, err)
	var want indexFile
	require.NoError(t, json.Unmarshal(file, &want))
	page, err := os.ReadFile("../../../docs/deploy.md")
	require.NoError(t, err)
	commands := string(page)

	var indexes []string
	for _, i := range want.Indexes {
		line := "index " + i.CollectionGroup
		for _, f := range i.Fields {
			line += " --field-config=field-path=" + f.FieldPath + ",order=" + strings.ToLower(f.Order)
		}
		indexes = append(indexes, line)
	}
	require.ElementsMatch(t, indexes, regexp.MustCompile(`(?m)^index \w+ --field.*$`).FindAllString(commands, -1))

	var exempt, expiring []string
	for _, o := range want.FieldOverrides {
		exempt = append(exempt, o.CollectionGroup+" "+o.FieldPath)
		if o.TTL {
			expiring = append(expiring, o.CollectionGroup)
		}
	}
	var exempted []string
	loop := regexp.MustCompile(`(?m)^for group in (.*); do exempt \$group (.*); done$`).FindStringSubmatch(commands)
	require.NotNil(t, loop)
	add := func(group, fields string) {
		for _, f := range strings.Fields(fields) {
			exempted = append(exempted, group+" "+f)
		}
	}
	for _, group := range strings.Fields(loop[1]) {
		add(group, loop[2])
	}
	for _, m := range regexp.MustCompile(`(?m)^exempt (\w+) +(.*)$`).FindAllStringSubmatch(commands, -1) {
		add(m[1], m[2])
	}
	require.ElementsMatch(t, exempt, exempted)

	ttls := regexp.MustCompile(`(?m)^for group in ([\w ]*); do #.*\n *gcloud firestore fields ttls update`).FindStringSubmatch(commands)
	require.NotNil(t, ttls)
	require.ElementsMatch(t, expiring, strings.Fields(ttls[1]))
}

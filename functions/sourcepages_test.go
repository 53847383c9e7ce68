package functions

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each page about a source has one whole configuration. What its commands send, in the form in
// which the source sends it, gets the answers that the page shows. After a change, run
// go test ./functions -run TestSourcePages -update.
func TestSourcePages(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/sources/*.md")
	require.NoError(t, err)
	require.Len(t, pages, 4)
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			doc, err := os.ReadFile(page)
			require.NoError(t, err)
			text := string(doc)
			configurations := regexp.MustCompile("(?s)```json\n(\\{\n  \"serviceName\".*?)```\n").FindAllStringSubmatch(text, -1)
			require.Len(t, configurations, 1)
			transcripts := regexp.MustCompile("(?s)```console\n(.*?)```\n").FindAllStringSubmatch(text, -1)
			require.NotEmpty(t, transcripts)

			r := newRecipe(t, []byte(configurations[0][1]))
			for _, transcript := range transcripts { // one after the other, on one deployment
				got := r.play(transcript[1])
				if *update {
					text = strings.Replace(text, "```console\n"+transcript[1], "```console\n"+got, 1)
					continue
				}
				require.Equal(t, anyID.ReplaceAllString(transcript[1], "ID"), anyID.ReplaceAllString(got, "ID"))
			}
			if *update && !t.Failed() {
				require.NoError(t, os.WriteFile(page, []byte(text), 0o644))
			}
		})
	}
}

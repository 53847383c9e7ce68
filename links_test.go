package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	codeBlocks = regexp.MustCompile("(?ms)^\\s*```.*?^\\s*```$")
	links      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noAnchor   = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// A relative link of a Markdown file leads to a file of the tree, and to a heading of it
// if the link names one.
func TestLinks(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "build" || path == "data" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		for _, link := range links.FindAllStringSubmatch(prose(t, path), -1) {
			if strings.Contains(link[1], ":") { // to another site
				continue
			}
			file, heading, _ := strings.Cut(link[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			_, err := os.Stat(target) // a link may lead to a folder
			require.NoError(t, err, "%s links to %s", path, link[1])
			if heading != "" {
				require.Contains(t, anchors(t, target), heading, "%s links to %s", path, link[1])
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// prose returns a Markdown file without its blocks of code.
func prose(t *testing.T, path string) string {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return codeBlocks.ReplaceAllString(string(b), "")
}

// anchors returns the names that GitHub gives to the headings of a Markdown file.
func anchors(t *testing.T, path string) (names []string) {
	for _, heading := range headings.FindAllStringSubmatch(prose(t, path), -1) {
		name := noAnchor.ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

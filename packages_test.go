package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	packageList = regexp.MustCompile("(?s)\n## Packages\n.*?```\n(.*?)```")
	listed      = regexp.MustCompile(`^( *)((?:[a-z0-9]+/ *)+)(.*)$`)
)

// The list of packages in docs/design.md names every package at its place in the tree.
func TestPackageList(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("docs/design.md")
	require.NoError(t, err)
	list := packageList.FindSubmatch(doc)
	require.NotNil(t, list, "docs/design.md has a list of packages")
	named := namedPackages(string(list[1]))
	err = filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && p != ".") {
			return filepath.SkipDir
		}
		if dir := filepath.ToSlash(filepath.Dir(p)); filepath.Ext(p) == ".go" && dir != "." {
			require.Contains(t, named, dir, "docs/design.md does not name the package %s", dir)
		}
		return nil
	})
	require.NoError(t, err)
}

// namedPackages returns the folders that a list names. A line begins with folders that lie
// beside each other; its indentation is their place. A folder that its text names lies in the
// first of them, or beside it.
func namedPackages(list string) map[string]bool {
	named := map[string]bool{}
	var parents []string
	for line := range strings.Lines(list) {
		m := listed.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		depth := len(m[1]) / 2
		parents = parents[:min(depth, len(parents))]
		parent := path.Join(parents...)
		names := strings.Fields(m[2])
		for _, name := range names {
			named[path.Join(parent, name)] = true
		}
		for word := range strings.FieldsSeq(m[3]) {
			if name, ok := strings.CutSuffix(strings.TrimRight(word, ",;"), "/"); ok {
				named[path.Join(parent, name)] = true
				named[path.Join(parent, names[0], name)] = true
			}
		}
		parents = append(parents, names[0])
	}
	return named
}

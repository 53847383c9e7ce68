// Package deploytest has the plans that the tests of all renderers write: those of the
// configurations of config/examples, and of one that has a bit of everything.
package deploytest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/deploy"
)

// Plans returns the plans by their names.
func Plans(t testing.TB) map[string]*deploy.Plan {
	root := Root()
	plans := map[string]*deploy.Plan{}
	for _, pattern := range []string{"config/examples/*.json", "internal/deploy/deploytest/testdata/*.json"} {
		files, err := fs.Glob(os.DirFS(root), pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			cfg, err := config.Parse(Read(t, filepath.Join(root, f)))
			require.NoError(t, err, f)
			name := strings.TrimSuffix(path.Base(f), ".json")
			plans[name] = Plan(t, cfg, deploy.Options{Region: "europe-west3"})
			if name == "everything" || name == "daily-close" {
				image := "europe-west3-docker.pkg.dev/acme-data/headgate/headgate:7"
				plans[name+"-split"] = Plan(t, cfg, deploy.Options{Region: "europe-west3", Split: true, Image: image, Database: "(default)"})
			}
		}
	}
	return plans
}

// Plan returns the plan for the configuration.
func Plan(t testing.TB, cfg *config.Config, o deploy.Options) *deploy.Plan {
	p, err := deploy.New(cfg, o)
	require.NoError(t, err)
	return p
}

// Read returns the content of the file.
func Read(t testing.TB, file string) []byte {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}

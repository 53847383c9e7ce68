package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const workflowExample = "../../config/examples/workflow.json"

func TestDeployTerraform(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := headgate(t, nil, "deploy", "terraform", "--config", workflowExample)
	require.Zero(t, status, stderr)
	require.True(t, json.Valid([]byte(stdout)))
	require.Empty(t, stderr, "there is nothing to do by hand")

	dir := filepath.Join(t.TempDir(), "infra")
	status, told, _ := headgate(t, nil, "deploy", "terraform", "--config", workflowExample, "--out", dir)
	require.Zero(t, status)
	require.Contains(t, told, "terraform apply")
	module, err := os.ReadFile(filepath.Join(dir, "headgate.tf.json"))
	require.NoError(t, err)
	require.Equal(t, stdout, string(module))
	cfg, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	want, err := os.ReadFile(workflowExample)
	require.NoError(t, err)
	require.Equal(t, string(want), string(cfg))
	info, err := os.Stat(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "it may have credentials")
}

// An option or a configuration that is not valid stops the command before it writes.
func TestDeployRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broken, none := filepath.Join(dir, "broken.json"), filepath.Join(dir, "none.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"serviceName": "a"}`), 0o600))
	require.NoError(t, os.WriteFile(none, []byte(`{"live": {}}`), 0o600))
	for want, args := range map[string][]string{
		"headgate: --config is required\n":                                             {},
		"headgate: --region \"europe\": must be a region, such as europe-west3\n":      {"--config", workflowExample, "--region", "europe"},
		"headgate: --project is required: the configuration has no topic whose ":       {"--config", none},
		broken + " is not valid:\n$.trigger: is required\n":                            {"--config", broken},
		"headgate: no form \"cloudformation\"":                                         {"cloudformation"},
		"note: the topic projects/acme-data/topics/loads must exist: it belongs to an": {"--config", workflowExample, "--project", "acme-other"},
	} {
		form := []string{"deploy", "terraform"}
		if len(args) == 1 {
			form = form[:1]
		}
		status, stdout, stderr := headgate(t, nil, append(form, args...)...)
		require.Contains(t, stderr, want)
		if status != 0 {
			require.Empty(t, stdout)
		}
	}
}

func TestDeployGcloud(t *testing.T) {
	t.Parallel()
	status, stdout, _ := headgate(t, nil, "deploy", "gcloud", "--config", workflowExample, "--source", "the source", "--region", "europe-west3")
	require.Zero(t, status)
	require.Contains(t, stdout, "\nconfig=${1:-"+workflowExample+"}\n")
	require.Contains(t, stdout, "\nregion=europe-west3\n")
	require.Contains(t, stdout, "--source='the source'")
	for want, args := range map[string][]string{
		"headgate: --split needs --image: one image for all services\n":               {"--split"},
		"headgate: --image and --source exclude each other: --source builds an image": {"--image", "a", "--source", "."},
	} {
		status, stdout, stderr := headgate(t, nil, append([]string{"deploy", "gcloud", "--config", workflowExample}, args...)...)
		require.Equal(t, exitUsage, status)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
	}
}

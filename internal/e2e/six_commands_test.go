package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/deploy/deploytest"
	"github.com/headgate/headgate/internal/emulator"
)

// The six commands at the top of docs/deploy.md lead to a message. gcloud is a stand-in that
// checks each command; what it deploys is this program, with exactly the environment that the
// command gives it, and what Cloud Run adds.
func TestSixCommands(t *testing.T) {
	t.Parallel()
	firestore, _ := emulator.Firestore(t)
	pubsub, _ := emulator.PubSub(t)
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	project := emulator.Project()
	metadata := metadataOf(t, project)
	text, err := os.ReadFile("../../docs/deploy.md")
	require.NoError(t, err)
	_, chapter, found := strings.Cut(string(text), "## Six commands\n")
	require.True(t, found)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(chapter, 2)
	require.Len(t, regexp.MustCompile(`(?m)^[a-zU]`).FindAllString(blocks[1][1], -1), 6)
	script := filepath.Join(t.TempDir(), "six.sh")
	commands := "set -euo pipefail\ncd \"$1\"\n" + strings.Replace(blocks[0][1], "my-project", project, 1) + blocks[1][1]
	require.NoError(t, os.WriteFile(script, []byte(commands), 0o600))

	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	work := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(root, "config"), filepath.Join(work, "config")))

	g := deploytest.NewGcloud(t)
	g.Deployed = func(c deploytest.Call) (string, error) {
		require.Equal(t, ".", c.Flags["--source"])
		env := append(variables(c.Flags["--set-env-vars"]), "K_SERVICE=headgate",
			"GCE_METADATA_HOST="+metadata, "FIRESTORE_EMULATOR_HOST="+firestore, "PUBSUB_EMULATOR_HOST="+pubsub)
		return startAs(t, env), nil
	}
	out, err := g.Bash(t, script, []string{"HOME=" + work}, work)
	require.NoError(t, err, out)
	answers := strings.Split(strings.TrimSpace(out), "\n")
	require.Contains(t, answers[len(answers)-1], `"published":true`)

	require.Contains(t, g.Created, "firestore databases/headgate")
	require.Contains(t, g.Created, "pubsub topics/sync")
	job := g.Things["scheduler jobs/headgate-sweep"]
	resp, err := http.Post(job["--uri"], "", http.NoBody)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	var messages struct {
		Messages []struct{ State string }
	}
	resp, err = http.Get(strings.TrimSuffix(job["--uri"], "/sweep") + "/messages")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&messages))
	require.Len(t, messages.Messages, 1)
	require.Equal(t, "published", messages.Messages[0].State)
}

// metadataOf serves the project's id as Cloud Run's metadata server does, and returns the host.
func metadataOf(t *testing.T, project string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if strings.HasSuffix(r.URL.Path, "/project/project-id") {
			_, _ = io.WriteString(w, project)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// variables reads the value of --set-env-vars, which may begin with its separator.
func variables(flag string) []string {
	if rest, ok := strings.CutPrefix(flag, "^"); ok {
		separator, rest, _ := strings.Cut(rest, "^")
		return strings.Split(rest, separator)
	}
	return strings.Split(flag, ",")
}

// startAs starts Headgate as the image does, and returns its address once it is ready.
func startAs(t *testing.T, env []string) string {
	dockerfile, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	require.Contains(t, string(dockerfile), `ENTRYPOINT ["/headgate"]`, "without arguments")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	log := new(output)
	cmd := exec.Command(binary)
	cmd.Dir, cmd.Env = t.TempDir(), environment(append(env, "PORT="+port))
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(tail(log.String(), 4000))
		}
	})
	base := "http://127.0.0.1:" + port
	eventually(t, "the service is ready", func() error {
		resp, err := http.Get(base + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			return fmt.Errorf("%s", resp.Status)
		}
		return nil
	})
	return base
}

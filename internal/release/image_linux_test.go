package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"
)

// A release of this machine's platform is made as for users: its archive and SBOM are
// looked at, and its image is unpacked and run as a container engine would run it, as a user
// without rights whose root is the image's file system.
func TestTheImageRuns(t *testing.T) {
	if os.Getenv("HEADGATE_REQUIRE_ROOT") == "" {
		t.Skip("HEADGATE_REQUIRE_ROOT is not set: to run an image, its file system becomes the root, which takes root's rights")
	}
	t.Chdir(filepath.Join("..", ".."))
	here := platform{runtime.GOOS, runtime.GOARCH}
	r := release{version: "v1.2.3", out: t.TempDir(), work: t.TempDir(), at: madeAt, keepPaths: true}
	require.NoError(t, r.make(t.Context(), []platform{here}))
	require.FileExists(t, filepath.Join(r.out, r.name(here)+".tar.gz"))
	require.FileExists(t, filepath.Join(r.out, "SHA256SUMS"))
	testSBOM(t, filepath.Join(r.out, r.name(here)+".cdx.json"))

	index, err := layout.ImageIndexFromPath(filepath.Join(r.out, "image"))
	require.NoError(t, err)
	require.NoError(t, validate.Index(index))
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	require.Equal(t, here.arch, manifest.Manifests[0].Platform.Architecture)
	img, err := index.Image(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	file, err := img.ConfigFile()
	require.NoError(t, err)

	root := unpack(t, img)
	version, err := exec.Command("chroot", root, "/headgate", "version").Output()
	require.NoError(t, err)
	require.Equal(t, "headgate v1.2.3\n", string(version))
	for _, wanted := range []string{"first", "second"} { // a container that begins again with the same volume
		url, stop := runImage(t, root, file.Config)
		if wanted == "first" {
			answer, err := http.Post(url+"/event/entry1", "application/json", strings.NewReader(`{"n":1}`))
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode)
		}
		answer, err := http.Get(url + "/events")
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Contains(t, string(body), `{\"n\":1}`)
		stop()
	}
}

func testSBOM(t *testing.T, path string) {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var sbom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal(raw, &sbom))
	require.Equal(t, "CycloneDX", sbom.BOMFormat)
	var names []string
	for _, c := range sbom.Components {
		names = append(names, c.Name)
	}
	require.Contains(t, names, "cloud.google.com/go/firestore")
	require.NotContains(t, string(raw), "/tmp/")
}

// unpack writes the file system of an image into a directory that every user may enter.
func unpack(t *testing.T, img v1.Image) string {
	root, err := os.MkdirTemp("", "headgate-image-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(root)) })
	require.NoError(t, os.Chmod(root, 0o755))
	files := mutate.Extract(img)
	defer files.Close()
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if err == io.EOF {
			return root
		}
		require.NoError(t, err)
		path := filepath.Join(root, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			require.NoError(t, os.Mkdir(path, 0o755))
		} else {
			content, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}
		require.NoError(t, os.Chown(path, h.Uid, h.Gid))
		require.NoError(t, os.Chmod(path, h.FileInfo().Mode()))
	}
}

// runImage starts the entry point of an image, and returns its address. stop ends it as
// Cloud Run does, and requires that it ends well.
func runImage(t *testing.T, root string, c v1.Config) (url string, stop func()) {
	user, group, found := strings.Cut(c.User, ":")
	require.True(t, found)
	uid, err := strconv.ParseUint(user, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(group, 10, 32)
	require.NoError(t, err)
	require.NotZero(t, uid)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())

	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var log strings.Builder
	cmd := exec.CommandContext(ctx, c.Entrypoint[0], c.Entrypoint[1:]...)
	cmd.Dir, cmd.Env = c.WorkingDir, append(c.Env, "PORT="+strconv.Itoa(port)) // the last one counts
	cmd.Stderr, cmd.Stdout = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	url = "http://127.0.0.1:" + strconv.Itoa(port)
	require.Eventually(t, func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the process ended: %v\n%s", err, log.String())
		default:
		}
		answer, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
	return url, func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, <-ended, "%s", &log)
	}
}

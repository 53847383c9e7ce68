package e2e_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
)

// frameworkMain is the program that the Cloud Functions buildpack writes around a
// function's source. It imports the source by the module's path.
const frameworkMain = `package main

import (
	"log"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	_ "github.com/headgate/headgate"
)

func main() {
	if err := funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")); err != nil {
		log.Fatal(err)
	}
}
`

var offline = regexp.MustCompile(`dial tcp|no such host|module lookup disabled|connection refused|i/o timeout`)

// The staged source builds in the way of the buildpack, and the framework serves the
// function that FUNCTION_TARGET names.
func TestFunctionsFramework(t *testing.T) {
	t.Parallel()
	slow(t)
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash: skipped staging the functions")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "function")
	stage := exec.Command(filepath.Join(root, "scripts", "function-source"), dir)
	out, err := stage.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "serve"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "serve", "main.go"), []byte(frameworkMain), 0o600))
	exe := filepath.Join(dir, "function")
	// The buildpack adds the requirements of the framework's server to the module.
	build := exec.Command("go", "build", "-mod=mod", "-o", exe, "./serve")
	build.Dir = dir
	if out, err = build.CombinedOutput(); err != nil && offline.Match(out) {
		emulator.Skip(t, "there is no network and no module cache: skipped building the functions: %s", out)
	}
	require.NoError(t, err, "%s", out)

	for _, c := range []struct {
		target     string
		good, none string // a path that the function serves, and one that it does not
	}{
		{"ingest", "/event/entry1", "/trigger"},
		{"headgate", "/trigger", "/nothing"},
		{"check", "/check", "/event/entry1"},
	} {
		t.Run(c.target, func(t *testing.T) {
			p := framework(t, exe, c.target)
			require.NoError(t, p.expect(http.StatusOK, "POST", c.good))
			require.NoError(t, p.expect(http.StatusNotFound, "POST", c.none))
			require.NoError(t, p.expect(http.StatusOK, "GET", "/readyz"))
		})
	}
}

// framework starts the framework's server for one target.
func framework(t *testing.T, exe, target string) *process {
	t.Helper()
	addr := fixedPort(t)
	p := (&process{exited: make(chan struct{})}).at(addr)
	p.cmd = exec.Command(exe)
	p.cmd.Dir = t.TempDir()
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	p.cmd.Env = environment([]string{"FUNCTION_TARGET=" + target, "PORT=" + port})
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	require.NoError(t, p.cmd.Start())
	go func() { _ = p.cmd.Wait(); close(p.exited) }()
	t.Cleanup(func() {
		p.kill9()
		if t.Failed() {
			t.Logf("log of the framework:\n%s", tail(p.stdout.String()+p.stderr.String(), 4000))
		}
	})
	eventually(t, "the framework answers", func() error { return p.expect(200, "GET", "/healthz") })
	return p
}

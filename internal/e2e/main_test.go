package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is Headgate, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "headgate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "headgate")
	args := []string{"build", "-o", binary}
	cgo := "0" // as in a release, for this and all other builds of these tests
	if os.Getenv("HEADGATE_E2E_RACE") != "" {
		args = append(args, "-race")
		cgo = "1"
	}
	if err := os.Setenv("CGO_ENABLED", cgo); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", append(args, ".")...)
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build headgate: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// slow skips a test that takes more than a few seconds if -short is set.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: skipped a slow end-to-end test")
	}
}

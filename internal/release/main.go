// Command release makes what a release consists of, in a directory: an archive for each
// platform with the binary and its completions, an SBOM of each binary, an OCI image of the
// Linux binaries, and checksums. It needs Go and nothing else: no daemon, no base image.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// sbomTool describes a binary by the modules that are written in it.
const sbomTool = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// platforms are those of a release.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

var versionForm = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run makes a release as args say. The directory must not exist, so that nothing of an
// earlier release can be part of it.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	version := flags.String("version", "", "the version, as v1.2.3 or v1.2.3-rc.1")
	out := flags.String("out", "build/release", "the directory to make")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !versionForm.MatchString(*version) {
		return fmt.Errorf("-version %q: must be v1.2.3 or v1.2.3-rc.1", *version)
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(*out, 0o755); err != nil {
		return err
	}
	at, err := commitTime(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "headgate-release-")
	if err != nil {
		return err
	}
	return errors.Join(release{version: *version, out: *out, work: work, at: at}.make(ctx, platforms), os.RemoveAll(work))
}

// commitTime returns the time of the commit, which every file of a release has: the same source
// makes the same bytes.
func commitTime(ctx context.Context) (time.Time, error) {
	raw, err := exec.CommandContext(ctx, "git", "show", "-s", "--format=%cI", "HEAD").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("git show: %w", err)
	}
	return time.Parse(time.RFC3339, strings.TrimSpace(string(raw)))
}

// release is one release that is being made.
type release struct {
	version string
	out     string // the directory of the release
	work    string // binaries and completions, until they are in an archive
	at      time.Time
	// keepPaths leaves the paths of the sources in the binaries, as other builds do. It is for
	// tests: what other builds compiled need not be compiled again.
	keepPaths bool
}

func (r release) make(ctx context.Context, platforms []platform) error {
	completions, err := r.completions(ctx)
	if err != nil {
		return err
	}
	var images []platform
	for _, p := range platforms {
		binary := r.binary(p)
		if err := r.build(ctx, p, binary); err != nil {
			return err
		}
		if err := r.archive(p, completions); err != nil {
			return err
		}
		sbom := filepath.Join(r.out, r.name(p)+".cdx.json")
		if err := goRun(ctx, sbomTool, "bin", "-json", "-output", sbom, "-version", r.version, binary); err != nil {
			return err
		}
		if p.os == "linux" {
			images = append(images, p)
		}
	}
	if err := r.image(images); err != nil {
		return err
	}
	return checksums(r.out)
}

// name returns the name of a platform's files, without an extension.
func (r release) name(p platform) string {
	return strings.Join([]string{"headgate", strings.TrimPrefix(r.version, "v"), p.os, p.arch}, "_")
}

func (r release) binary(p platform) string { return filepath.Join(r.work, r.name(p), p.executable()) }

func goRun(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"run"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go run %s: %w\n%s", args[0], err, out)
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
)

// platform is a GOOS and a GOARCH.
type platform struct{ os, arch string }

func (p platform) executable() string {
	if p.os == "windows" {
		return "headgate.exe"
	}
	return "headgate"
}

// shells are those for which a release has completions, with the name of the file in which
// each shell looks for them.
var shells = map[string]string{"bash": "headgate", "zsh": "_headgate", "fish": "headgate.fish", "powershell": "headgate.ps1"}

// flags are those of the Dockerfile, without the linker's.
var flags = []string{"-tags", "grpcnotrace", "-trimpath", "-buildvcs=false"}

// build compiles the binary of a platform as the Dockerfile does. The working directory is
// that of the module.
func (r release) build(ctx context.Context, p platform, out string) error {
	args := slices.Concat([]string{"build"}, flags, []string{"-ldflags", "-s -w -X main.version=" + r.version, "-o", out})
	if r.keepPaths {
		args = append(args, "-trimpath=false")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for %s/%s: %w\n%s", p.os, p.arch, err, text)
	}
	return nil
}

// completions writes the completions of all shells, and returns their paths by the names
// that they have in an archive. They come from a binary of this machine's platform.
func (r release) completions(ctx context.Context) (map[string]string, error) {
	here := platform{runtime.GOOS, runtime.GOARCH}
	binary := filepath.Join(r.work, "here", here.executable())
	if err := r.build(ctx, here, binary); err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for shell, name := range shells {
		script, err := exec.CommandContext(ctx, binary, "completion", shell).Output()
		if err != nil {
			return nil, fmt.Errorf("completions for %s: %w", shell, err)
		}
		path := filepath.Join(r.work, "completion-"+shell)
		if err := os.WriteFile(path, script, 0o600); err != nil {
			return nil, err
		}
		paths["completions/"+shell+"/"+name] = path
	}
	return paths, nil
}

package launch

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/sourceexample"
)

// A definition may name a pipe, a socket or a device in the directory. No source waits
// for it, and none replaces it: sources open regular files only.
func TestAttackSpecialFiles(t *testing.T) {
	t.Parallel()
	kinds := Kinds()
	kinds["jsonl"] = sourceexample.Kind()
	definitions := map[string]func(name string) source.Datasource{
		"csv":   func(name string) source.Datasource { return source.Datasource{Type: "csv", FileURL: name} },
		"jsonl": func(name string) source.Datasource { return source.Datasource{Type: "jsonl", FileURL: name} },
		"sql": func(name string) source.Datasource {
			return source.Datasource{Type: "sql", URL: "sqlite:" + name, Options: json.RawMessage(`{}`)}
		},
	}
	for kind := range kinds { // a new kind that reads files must be added above
		faults := kinds[kind].Check(source.Datasource{Type: kind, FileURL: "some-file"})
		if _, listed := definitions[kind]; !listed {
			require.NotEmpty(t, faults, "%s takes a file", kind)
		}
	}
	made := map[string]func(t *testing.T, path string) string{ // each returns the name to open
		"pipe": func(t *testing.T, path string) string {
			require.NoError(t, syscall.Mkfifo(path, 0o600))
			return filepath.Base(path)
		},
		"directory": func(t *testing.T, path string) string {
			require.NoError(t, os.Mkdir(path, 0o700))
			return filepath.Base(path)
		},
		"socket": func(t *testing.T, path string) string {
			l, err := net.Listen("unix", path)
			require.NoError(t, err)
			t.Cleanup(func() { _ = l.Close() })
			return filepath.Base(path)
		},
		"link to a device": func(t *testing.T, path string) string {
			require.NoError(t, os.Symlink("/dev/zero", path))
			return filepath.Base(path)
		},
		"link to a pipe": func(t *testing.T, path string) string {
			require.NoError(t, syscall.Mkfifo(path+".pipe", 0o600))
			require.NoError(t, os.Symlink(filepath.Base(path)+".pipe", path))
			return filepath.Base(path)
		},
		"device": func(t *testing.T, path string) string {
			if err := syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5); err != nil { // like /dev/zero
				require.Empty(t, os.Getenv("HEADGATE_REQUIRE_ROOT"), "a user that may make devices is needed: %v", err)
				t.Skipf("no device can be made here: %v", err)
			}
			return filepath.Base(path)
		},
		"pipe beside it": func(t *testing.T, path string) string {
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			require.NoError(t, syscall.Mkfifo(path+"-journal", 0o600))
			return filepath.Base(path)
		},
	}
	for kind, definition := range definitions {
		for what, place := range made {
			if what == "pipe beside it" && kind != "sql" {
				continue
			}
			t.Run(kind+"/"+what, func(t *testing.T) {
				t.Parallel()
				dir, err := os.MkdirTemp("", "hg") // the path of a socket must be short
				require.NoError(t, err)
				t.Cleanup(func() { _ = os.RemoveAll(dir) })
				name := place(t, filepath.Join(dir, "it"))
				env, err := sourceEnv(Settings{Platform: hosting.Machine, Data: filepath.Join(dir, "data")}, &config.Sync{Directory: dir}, slog.New(slog.DiscardHandler))
				require.NoError(t, err)
				t.Cleanup(func() { _ = env.Dir.Close() })
				before := names(t, dir)
				for _, push := range []bool{false, true} {
					ended := inBackground(func() error { return transfer(t, kinds[kind], definition(name), env, push) })
					select {
					case err := <-ended:
						require.Error(t, err)
						require.Contains(t, []fault.Code{fault.Invalid, fault.NotFound}, fault.CodeOf(err), "%v", err)
					case <-time.After(time.Minute):
						require.FailNow(t, "it waits")
					}
				}
				require.Equal(t, before, names(t, dir))
			})
		}
	}
}

func inBackground(do func() error) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	return ended
}

// names returns the names in the directory, with their types.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := map[string]bool{}
	for _, e := range entries {
		found[e.Name()+" "+e.Type().String()] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// transfer pulls from the source, or pushes to it.
func transfer(t *testing.T, kind source.Kind, d source.Datasource, env source.Env, push bool) error {
	s, err := kind.Open(t.Context(), d, env)
	if err != nil {
		return err
	}
	defer s.Close()
	spec := source.Spec{Datatype: "x", Key: []string{"id"}}
	if push {
		_, err = s.Push(t.Context(), spec, []source.Change{{Op: source.Create, Key: []any{"1"}, Fields: map[string]any{"id": "1"}}})
		return err
	}
	r, err := s.Pull(t.Context(), source.Pull{Spec: spec, PageSize: 1})
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err = r.Next(t.Context()); err == io.EOF {
		return nil
	}
	return err
}

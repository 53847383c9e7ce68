package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tmpfs mounts a file system of that size.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, syscall.EPERM) {
		require.Empty(t, os.Getenv("HEADGATE_REQUIRE_ROOT"), "a user that may mount is needed")
		t.Skip("this user may not mount: skipped a test on a disk of its own")
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// ballast fills the rest of the disk; release frees it.
func ballast(t *testing.T, dir string) (release func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			block = block[:len(block)/2]
		}
	}
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(path)) }
}

// notReady waits until /readyz answers 503 and the log has the reason.
func (p *process) notReady(t *testing.T, why string) {
	t.Helper()
	eventually(t, "/readyz answers 503", func() error {
		resp, body, err := p.call("GET", "/readyz", "")
		if err != nil {
			return err
		}
		return problem(resp, body)
	})
	eventually(t, "the log says "+why, func() error {
		for line := range strings.Lines(p.stderr.String()) {
			if strings.Contains(line, "path=/readyz") && strings.Contains(line, why) {
				return nil
			}
		}
		return errors.New(tail(p.stderr.String(), 1000))
	})
}

// While no event can be stored, /readyz reports that the process is not ready. Once there
// is space again, it is ready.
func TestAttackDiskFull(t *testing.T) {
	t.Parallel()
	dir := tmpfs(t, "6m")
	p := start(t, options{data: dir})
	require.NoError(t, p.expect(200, "GET", "/readyz"))
	p.event(t, "entry1", "before")
	send := func(n int) error {
		resp, body, err := p.call("POST", "/event/entry1", fmt.Sprintf("%d %s", n, strings.Repeat("x", 16<<10)))
		if err == nil && resp.StatusCode != 200 {
			err = problem(resp, body)
			if err == nil {
				err = errFull
			}
		}
		return err
	}

	if os.Getenv("HEADGATE_ATTACK") != "" { // takes time: the last success counts for ten seconds
		release := ballast(t, dir)
		p.notReady(t, "disk is full") // even without any write
		release()
		p.ready(t)
	}

	release := ballast(t, dir)
	stored, refused := 0, 0
	for n := 0; refused < 36; n++ {
		require.Less(t, n, 2000)
		switch err := send(n); {
		case err == nil:
			stored++
			require.Zero(t, refused, "events were refused and then stored while the disk stayed full")
		case errors.Is(err, errFull):
			refused++
			require.Error(t, p.expect(200, "GET", "/readyz"), "after an event was refused")
		default:
			require.NoError(t, err)
		}
	}
	t.Logf("%d events were stored on the full disk, then %d of %d refused, each with /readyz at 503", stored, refused, refused)
	release()
	p.ready(t)
	require.NoError(t, send(-1))
	require.Equal(t, stored+2, p.status(t).have(), "what was acknowledged, and nothing else")

	// Without space for the file that SQLite maps, a start fails and says what to do.
	code, _ := p.term(t, 20*time.Second)
	require.Zero(t, code)
	release = ballast(t, dir)
	p = launch(t, options{data: dir})
	p.wait(t, time.Minute)
	require.Contains(t, p.stderr.String(), "the disk is full")
	require.Contains(t, p.stderr.String(), "free some space")
	release()
	p = start(t, options{data: dir})
	require.Equal(t, stored+2, p.status(t).have())
}

var errFull = errors.New("the disk is full")

// A start on a directory that is not writable fails and says what to do.
func TestAttackReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	dir := tmpfs(t, "16m")
	refused := func() {
		p := launch(t, options{data: dir})
		p.wait(t, time.Minute)
		require.Equal(t, 1, p.cmd.ProcessState.ExitCode())
		require.Contains(t, p.stderr.String(), "nothing can be written there")
		require.Contains(t, p.stderr.String(), "choose another with --data")
	}
	readOnly := func(on uintptr) {
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|on, ""))
	}
	readOnly(syscall.MS_RDONLY)
	refused() // an empty directory
	readOnly(0)
	p := start(t, options{data: dir})
	p.event(t, "entry1", "before")
	p.kill9() // and a store with a log
	readOnly(syscall.MS_RDONLY)
	refused()
	readOnly(0)
	p = start(t, options{data: dir})
	require.Equal(t, 1, p.status(t).have())
}

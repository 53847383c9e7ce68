package e2e_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// overwrite replaces the file's content from an offset on by noise.
func overwrite(t *testing.T, path string, from int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	require.Greater(t, info.Size(), from)
	noise := make([]byte, info.Size()-from)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	_, err = f.WriteAt(noise, from)
	require.NoError(t, err)
}

// Damaged pages are found at start, or make a running process report that it is not ready.
func TestAttackDamagedPages(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	for n := range 300 {
		p.event(t, "entry1", fmt.Sprint(n, strings.Repeat("x", 2000)))
	}
	code, _ := p.term(t, 20*time.Second)
	require.Zero(t, code)
	p = start(t, options{data: p.o.data})
	db := filepath.Join(p.o.data, "headgate.db")
	overwrite(t, db, 16<<10)
	eventually(t, "an event or a look meets a damaged page", func() error {
		if p.expect(200, "POST", "/event/entry1") != nil || p.expect(200, "GET", "/pending") != nil {
			return nil
		}
		return errors.New("none did")
	})
	eventually(t, "/readyz answers 503", func() error {
		resp, body, err := p.call("GET", "/readyz", "")
		if err != nil {
			return err
		}
		return problem(resp, body)
	})
	require.Error(t, p.expect(200, "GET", "/readyz"), "damage does not heal")
	require.Contains(t, p.stderr.String(), "the file is damaged")
	p.kill9()

	p = launch(t, options{data: p.o.data})
	p.wait(t, time.Minute)
	require.Equal(t, 1, p.cmd.ProcessState.ExitCode())
	require.Contains(t, p.stderr.String(), "the file is damaged")
	require.Contains(t, p.stderr.String(), "headgate restore FILE")
}

// The store's files are removed or replaced while the process serves. It accepts nothing
// that would be lost, and /readyz reports that it is not ready.
func TestAttackStoreRemovedWhileItServes(t *testing.T) {
	t.Parallel()
	for _, restored := range []bool{false, true} {
		p := start(t, options{})
		p.event(t, "entry1", "kept")
		for _, end := range []string{"", "-wal", "-shm"} {
			name := filepath.Join(p.o.data, "headgate.db"+end)
			require.NoError(t, os.Remove(name))
			if restored {
				require.NoError(t, os.WriteFile(name, nil, 0o600))
			}
		}
		for range 3 {
			resp, body, err := p.call("POST", "/event/entry1", "lost")
			require.NoError(t, err)
			require.Equal(t, 503, resp.StatusCode, "%s", body)
			resp, body, err = p.call("GET", "/readyz", "")
			require.NoError(t, err)
			require.Equal(t, 503, resp.StatusCode, "%s", body)
			require.NotContains(t, string(body), p.o.data)
		}
		require.Contains(t, p.stderr.String(), "its files were removed or replaced")
		require.Equal(t, 1, strings.Count(p.stderr.String(), `level=ERROR msg="the store takes no writes`), p.stderr.String())
	}
}

// A clean stop leaves all data in one file, so that a copy of it is a complete store.
func TestTermLeavesOneCompleteFile(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	p.event(t, "entry1", "one")
	p.event(t, "entry2", "two")
	p.event(t, "entry1", "waits")
	code, _ := p.term(t, 20*time.Second)
	require.Zero(t, code, p.stderr.String())
	data, err := os.ReadFile(filepath.Join(p.o.data, "headgate.db"))
	require.NoError(t, err)
	copied := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(copied, "headgate.db"), data, 0o600))
	p = start(t, options{data: copied})
	require.Len(t, p.messages(t), 1)
	require.Equal(t, 1, p.status(t).have())
	p.event(t, "entry2", "more")
	c := newCensus()
	c.collect(t, p, 0)
	c.check(t, []string{"one", "two", "waits", "more"})
}

// A backup of a server under load contains every event that was acknowledged before the
// backup began.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	contents := func(tag string, n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprint(tag, i)
		}
		return all
	}
	send := func(content string) error {
		resp, body, err := p.call("POST", "/event/entry1", content)
		if err == nil && resp.StatusCode != 200 {
			err = fmt.Errorf("%s: %s", resp.Status, body)
		}
		return err
	}
	before := contents("before", 200)
	require.NoError(t, parallel(before, 8, send))
	during := contents("during", 400)
	loaded := make(chan error, 1)
	go func() { loaded <- parallel(during, 4, send) }()
	backup := filepath.Join(t.TempDir(), "backup.db")
	code, out, errs := command(t, nil, "backup", "--data", p.o.data, backup)
	require.Zero(t, code, errs)
	require.Contains(t, out, backup)
	require.NoError(t, <-loaded)
	code, _, errs = command(t, nil, "backup", backup, "--data", p.o.data)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "overwrites no file")

	code, _, errs = command(t, nil, "restore", backup, "--data", p.o.data)
	require.Equal(t, 1, code)
	require.Contains(t, errs, fmt.Sprintf("process %d %s", p.cmd.Process.Pid, p.base))
	require.Contains(t, errs, "stop it first")
	code, _ = p.term(t, 20*time.Second)
	require.Zero(t, code)

	code, out, errs = command(t, nil, "restore", backup, "--data", p.o.data)
	require.Zero(t, code, errs)
	require.Contains(t, out, ".before-restore-")
	p = start(t, options{data: p.o.data})
	require.GreaterOrEqual(t, p.status(t).have(), len(before))
	p.event(t, "entry2", "after")
	c := newCensus()
	c.collect(t, p, 0)
	require.Zero(t, c.missing(append(before, "after")))

	kept, err := filepath.Glob(filepath.Join(p.o.data, "headgate.db.before-restore-*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	code, _, errs = command(t, nil, "restore", kept[0], "--data", filepath.Join(t.TempDir(), "other"))
	require.Zero(t, code, "the former store is a backup, too: %s", errs)

	code, _, errs = command(t, nil, "restore", "--data", t.TempDir())
	require.Equal(t, 2, code)
	require.Contains(t, errs, "restore needs a FILE")
}

// A second server on a directory warns of what it does not share with the first. A command
// for a directory that has a server works through that server.
func TestSecondServerOnOneDirectory(t *testing.T) {
	t.Parallel()
	type state struct{ Warnings []string }
	first := start(t, options{})
	require.Empty(t, read[state](t, first, "GET", "/readyz").Warnings)
	second := start(t, options{data: first.o.data})
	log := second.stderr.String()
	require.Contains(t, log, "another process serves this data directory")
	require.Contains(t, log, fmt.Sprintf("process %d %s", first.cmd.Process.Pid, first.base))
	warnings := read[state](t, second, "GET", "/readyz").Warnings
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "another process serves this data directory")

	code, _, errs := command(t, nil, "sync", "list", "--data", first.o.data)
	require.Zero(t, code, errs)
	require.Contains(t, errs, fmt.Sprintf("process %d at %s has the store in %s open: using that process", first.cmd.Process.Pid, first.base, first.o.data))

	first.event(t, "entry1", "to the first")
	require.NotNil(t, second.event(t, "entry2", "to the second").Triggered, "both processes use the same stored events")
	first.kill9()
	code, _ = second.term(t, 20*time.Second)
	require.Zero(t, code)
	third := start(t, options{data: first.o.data})
	require.NotContains(t, third.stderr.String(), "another process")
}

package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// attacking skips what takes long or much memory, unless the attacks are asked for.
func attacking(t *testing.T) {
	t.Helper()
	if os.Getenv("HEADGATE_ATTACK") == "" {
		t.Skip("a large attack: set HEADGATE_ATTACK=1 (make attack)")
	}
}

const mib = 1 << 20

// limited is a process that the kernel kills if it takes more memory than it has.
type limited struct {
	*process
	limit int
}

// startLimited starts Headgate with limit bytes of memory: in a cgroup of its own
// where we may make one, which the kernel enforces and Headgate finds by itself;
// elsewhere it is told with GOMEMLIMIT, and the test compares the peak.
func startLimited(t *testing.T, limit int, o options) *limited {
	t.Helper()
	if dir, ok := makeCgroup(t, limit); ok {
		o.cgroup = dir
	} else {
		require.Empty(t, os.Getenv("HEADGATE_REQUIRE_ROOT"), "a user that may make cgroups is needed")
		t.Log("no cgroup can be made here: the limit is not enforced, only compared")
		o.env = append(o.env, fmt.Sprintf("GOMEMLIMIT=%d", limit/10*9))
	}
	return &limited{process: start(t, o), limit: limit}
}

// makeCgroup makes a group that bounds memory, in version 1 or 2 of the interface. It
// lies below the group that this test runs in, so that a limit of ours holds as well.
func makeCgroup(t *testing.T, limit int) (dir string, ok bool) {
	t.Helper()
	name := fmt.Sprintf("headgate-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	bytes := strconv.Itoa(limit)
	for _, version := range []struct {
		root, controller, file string
		more                   map[string]string
	}{
		{"/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes", map[string]string{"memory.memsw.limit_in_bytes": bytes}},
		{"/sys/fs/cgroup", "", "memory.max", map[string]string{"memory.swap.max": "0"}},
	} {
		dir := filepath.Join(ownCgroup(version.root, version.controller), name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) }) // after the process is gone
		if _, err := os.Stat(filepath.Join(dir, version.file)); err != nil {
			continue
		}
		if os.WriteFile(filepath.Join(dir, version.file), []byte(bytes), 0o600) != nil {
			continue
		}
		for file, value := range version.more {
			_ = os.WriteFile(filepath.Join(dir, file), []byte(value), 0o600)
		}
		return dir, true
	}
	return "", false
}

// ownCgroup returns the directory of the group that this process is in. A container
// may see only its own group, as the root.
func ownCgroup(root, controller string) string {
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) { // "4:memory:/path", in version 2 "0::/path"
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 || !slices.Contains(strings.Split(parts[1], ","), controller) {
			continue
		}
		if dir := filepath.Join(root, parts[2]); isDir(dir) {
			return dir
		}
	}
	return root
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// survives requires that the process is there, well, and stayed below its limit.
func (p *limited) survives(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
		require.FailNow(t, "the process was killed", "%v\n%s", p.cmd.ProcessState, tail(p.stderr.String(), 4000))
	default:
	}
	eventually(t, 60*time.Second, "it is ready again", func() error { return p.expect(200, "GET", "/readyz") })
	peak := p.peak(t)
	t.Logf("peak %d MiB of %d MiB", peak/mib, p.limit/mib)
	require.Less(t, peak, p.limit)
}

// peak is the most memory that was resident, in bytes.
func (p *limited) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	require.True(t, ok)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kib << 10
}

// tally counts answers by status.
type tally struct {
	mu       sync.Mutex
	statuses map[int]int
	faults   []string
	acked    []string // names of requests that were answered with 200
}

// flood sends all requests at once, each with the body under its own name.
// There may be several paths, with commas: they are taken in turn.
func (p *limited) flood(n int, paths string, body []byte, headers ...string) *tally {
	a := &tally{statuses: map[int]int{}}
	client := &http.Client{Timeout: 3 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: -1}}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			all := strings.Split(paths, ",")
			path := all[i%len(all)]
			name := fmt.Sprintf("%s %d %d", path, n, i)
			req, err := http.NewRequest("POST", p.base+path, bytes.NewReader(body))
			if err == nil {
				req.Header.Set("Idempotency-Key", name)
				for i := 0; i < len(headers); i += 2 {
					req.Header.Set(headers[i], headers[i+1])
				}
				var resp *http.Response
				if resp, err = client.Do(req); err == nil {
					defer resp.Body.Close()
					text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
					a.count(name, resp, text)
					return
				}
			}
			a.fault("%s: %v", name, err)
		})
	}
	wg.Wait()
	return a
}

func (a *tally) count(name string, resp *http.Response, text []byte) {
	switch resp.StatusCode {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if resp.Header.Get("Retry-After") == "" {
			a.fault("%s: %s without Retry-After", name, resp.Status)
		}
	case http.StatusOK:
		a.mu.Lock()
		a.acked = append(a.acked, name)
		a.mu.Unlock()
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		if !bytes.Contains(text, []byte("about:blank")) {
			a.fault("%s: %s: %s", name, resp.Status, text)
		}
	default:
		a.fault("%s: %s: %s", name, resp.Status, text)
	}
	a.mu.Lock()
	a.statuses[resp.StatusCode]++
	a.mu.Unlock()
}

func (a *tally) fault(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = append(a.faults, fmt.Sprintf(format, args...))
}

// require asks that every request was answered, and only with these statuses.
func (a *tally) require(t *testing.T, statuses ...int) {
	t.Helper()
	t.Logf("answers: %v", a.statuses)
	require.Empty(t, a.faults)
	for status := range a.statuses {
		require.Contains(t, statuses, status)
	}
}

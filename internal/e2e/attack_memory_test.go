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

// attacking skips a test that needs much time or memory, unless HEADGATE_ATTACK is set.
func attacking(t *testing.T) {
	t.Helper()
	if os.Getenv("HEADGATE_ATTACK") == "" {
		t.Skip("a large attack: set HEADGATE_ATTACK=1 (make attack)")
	}
}

const mib = 1 << 20

// limited is a process that the kernel kills if it exceeds its memory limit.
type limited struct {
	*process
	limit int
}

// startLimited starts Headgate with limit bytes of memory. Where we may make a cgroup, the
// kernel enforces the limit, and Headgate finds it by itself. Elsewhere GOMEMLIMIT sets
// it, and the test only compares the peak.
func startLimited(t *testing.T, limit int, o options) *limited {
	t.Helper()
	if dir, ok := makeCgroup(t, limit); ok {
		o.cgroup = dir
	} else {
		t.Log("cannot make a cgroup here: the limit is compared, but not enforced")
		o.env = append(o.env, fmt.Sprintf("GOMEMLIMIT=%d", limit/10*9))
	}
	return &limited{process: start(t, o), limit: limit}
}

// makeCgroup makes a cgroup (v1 or v2) that bounds memory. It is below the group of this
// test, so that the limit of the test holds as well.
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
		t.Cleanup(func() { _ = os.Remove(dir) }) // runs after the process has ended
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

// ownCgroup returns the directory of this process's cgroup. A container may see only its
// own group, as the root.
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

// survives requires that the process runs, answers, and stayed below its limit.
func (p *limited) survives(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
		require.FailNow(t, "the process was killed", "%v\n%s", p.cmd.ProcessState, tail(p.stderr.String(), 4000))
	default:
	}
	eventually(t, "it is ready again", func() error { return p.expect(200, "GET", "/readyz") })
	peak := p.peak(t)
	t.Logf("peak %d MiB of %d MiB", peak/mib, p.limit/mib)
	require.Less(t, peak, p.limit)
}

// peak returns the largest resident memory of the process, in bytes.
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

// flood sends n requests at once, with the same body, each under its own name. paths may
// have several paths, separated by commas, which are used in turn.
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

// require requires that every request was answered, and only with these statuses.
func (a *tally) require(t *testing.T, statuses ...int) {
	t.Helper()
	t.Logf("answers: %v", a.statuses)
	require.Empty(t, a.faults)
	for status := range a.statuses {
		require.Contains(t, statuses, status)
	}
}

package e2e_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// options state how to start Headgate.
type options struct {
	args []string
	env  []string // in addition to PATH, HOME and TMPDIR
	addr string   // "" means a free port
	data string   // "" means a new directory
	// cgroup is the directory of the cgroup to start in; "" means that of the test.
	cgroup string
}

// process is a running Headgate.
type process struct {
	addr, base     string
	o              options
	stdout, stderr output
	cmd            *exec.Cmd
	exited         chan struct{}
}

// output has the text that a process has written so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// environment returns more, and of our own environment only what a process needs to run.
func environment(more []string) []string {
	env := []string{"GORACE=atexit_sleep_ms=10", "HEADGATE_LOG_FORMAT=logfmt"} // the former is for builds with the race detector
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SYSTEMROOT"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, more...)
}

// launch starts the process without waiting until it listens.
func launch(t *testing.T, o options) *process {
	t.Helper()
	if o.addr == "" {
		o.addr = "127.0.0.1:0"
	}
	if o.data == "" {
		o.data = t.TempDir()
	}
	p := &process{o: o, exited: make(chan struct{})}
	p.cmd = exec.Command(binary, append([]string{"-addr", o.addr, "-data", o.data}, o.args...)...)
	if o.cgroup != "" { // join the group before Headgate runs, so that it finds its limit
		join := []string{"-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, o.cgroup, binary}
		p.cmd = exec.Command("/bin/sh", append(join, p.cmd.Args[1:]...)...)
	}
	p.cmd.Env = environment(o.env)
	p.cmd.Dir = o.data
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill9()
		log := p.stderr.String()
		for _, bad := range []string{"DATA RACE", "panic:", "msg=panic", "fatal error:"} {
			if at := strings.Index(log, bad); at >= 0 {
				t.Errorf("the process's log has %q:\n%s", bad, log[at:min(len(log), at+4000)])
			}
		}
		if t.Failed() {
			t.Logf("log of the process at %s:\n%s", p.addr, tail(log, 6000))
		}
	})
	return p
}

var listening = regexp.MustCompile(`msg=listening addr=(\S+)`)

// listens waits until the process has logged its address.
func (p *process) listens(t *testing.T) *process {
	t.Helper()
	eventually(t, "the process listens", func() error {
		found := listening.FindStringSubmatch(p.stderr.String())
		if found != nil {
			p.addr, p.base = found[1], "http://"+found[1]
			return nil
		}
		select {
		case <-p.exited:
			require.FailNow(t, "the process ended", "%s%s", p.stdout.String(), tail(p.stderr.String(), 4000))
		default:
		}
		return fmt.Errorf("its log: %s", p.stderr.String())
	})
	return p
}

// start starts the process and waits until it is ready.
func start(t *testing.T, o options) *process {
	t.Helper()
	p := launch(t, o).listens(t)
	p.ready(t)
	return p
}

func (p *process) ready(t *testing.T) {
	t.Helper()
	eventually(t, "/readyz answers 200", func() error {
		return p.expect(200, "GET", "/readyz")
	})
}

// restart starts the process again on the same address and data.
func (p *process) restart(t *testing.T) *process {
	t.Helper()
	o := p.o
	o.addr = p.addr
	eventually(t, "the address is free again", func() error { // the sockets of a killed process may stay for a moment
		l, err := net.Listen("tcp", o.addr)
		if err != nil {
			return err
		}
		return l.Close()
	})
	return launch(t, o)
}

// kill9 kills the process with SIGKILL, like a crash. It is idempotent.
func (p *process) kill9() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// term sends SIGTERM and returns the exit code, and how long the process took to end.
func (p *process) term(t *testing.T, within time.Duration) (code int, took time.Duration) {
	t.Helper()
	begin := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait(t, within)
	return p.cmd.ProcessState.ExitCode(), time.Since(begin)
}

func (p *process) wait(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(within):
		require.FailNow(t, "the process does not end", "within %v", within)
	}
}

// command runs Headgate and waits until it has ended.
func command(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Dir = environment(env), t.TempDir()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	require.True(t, timer.Stop(), "headgate %q does not end:\n%s%s", args, out.String(), errs.String())
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// fixedPort returns a free address below the ephemeral ports: no outgoing connection can
// take it while the process that listens on it is down.
func fixedPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	require.FailNow(t, "no free port")
	return ""
}

// patience bounds the time that a test waits for what must come. It is long, so that a slow machine
// fails no test.
const patience = 3 * time.Minute

// eventually waits until try returns nil.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); ; {
		if err = try(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.FailNow(t, "not in time: "+what, "within %v: %v", patience, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ticks returns the processor time of the process, in hundredths of a second. ok is false
// where the system is not Linux.
func (p *process) ticks(t *testing.T) (sum int, ok bool) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0, false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(stat), ") ") // the name before it may contain any text
	require.True(t, ok)
	for _, field := range strings.Fields(rest)[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		sum += n
	}
	return sum, true
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// parallel calls do for each item, a few at a time, and returns the first error.
func parallel[T any](items []T, at int, do func(T) error) error {
	work, errs := make(chan T), make(chan error, at)
	for range at {
		go func() {
			var first error
			for item := range work {
				if first == nil {
					first = do(item)
				}
			}
			errs <- first
		}()
	}
	for _, item := range items {
		work <- item
	}
	close(work)
	var all []error
	for range at {
		all = append(all, <-errs)
	}
	if i := slices.IndexFunc(all, func(err error) bool { return err != nil }); i >= 0 {
		return all[i]
	}
	return nil
}

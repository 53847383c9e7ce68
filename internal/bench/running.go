package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// running is a process that the bench has started.
type running struct {
	cmd   *exec.Cmd
	base  string        // the URL that it serves
	ended chan struct{} // is closed once it has ended and err is set
	err   error
}

func (r *running) pid() int { return r.cmd.Process.Pid }

// stop ends the process, with those that it has started, and waits until it has ended.
func (r *running) stop() {
	_ = syscall.Kill(-r.pid(), syscall.SIGKILL)
	<-r.ended
}

// processes are those that the bench has started and that have not ended.
type processes struct {
	mu     sync.Mutex
	all    map[*running]bool
	closed int // above 0 while no process may be started
}

// start starts a process in a group of its own.
func (p *processes) start(cmd *exec.Cmd) (*running, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed > 0 {
		return nil, errors.New("no process is started any more, because the time is over or the bench has been ended")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &running{cmd: cmd, ended: make(chan struct{})}
	if p.all == nil {
		p.all = make(map[*running]bool)
	}
	p.all[r] = true
	go func() {
		r.err = cmd.Wait()
		close(r.ended)
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.all, r)
	}()
	return r, nil
}

// output runs a program to its end, and returns its standard output.
func (p *processes) output(cmd *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	r, err := p.start(cmd)
	if err != nil {
		return nil, err
	}
	<-r.ended
	if r.err != nil {
		return nil, fmt.Errorf("%w: %s", r.err, stderr.Bytes())
	}
	return stdout.Bytes(), nil
}

// stopAll ends all processes. What waits for one of them goes on with an error.
func (p *processes) stopAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.all {
		r.stop()
	}
}

// close ends all processes, and lets none start until open has been called as many times.
func (p *processes) close() {
	p.mu.Lock()
	p.closed++
	p.mu.Unlock()
	p.stopAll()
}

func (p *processes) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed--
}

// freeAddr returns an address on which nobody listens.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// serveBinary starts the real binary with the embedded store in a directory, and waits until it
// is ready.
func (b *bench) serveBinary(dir string, env ...string) (*running, error) {
	return b.startBinary(env, "-data", dir, "-store", "sqlite", "-bus", "local")
}

// startBinary starts the real binary on a free port, and waits until it is ready.
func (b *bench) startBinary(env []string, args ...string) (*running, error) {
	bin, err := b.binary()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, append([]string{"-addr", addr}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	r, err := b.start(cmd)
	if err != nil {
		return nil, err
	}
	r.base = "http://" + addr
	if err := r.ready(30 * time.Second); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// ready waits until the process says that it is ready.
func (r *running) ready(atMost time.Duration) error {
	for deadline := time.Now().Add(atMost); time.Now().Before(deadline); {
		if resp, err := http.Get(r.base + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-r.ended:
			return fmt.Errorf("%s ended before it was ready: %w", r.cmd.Path, r.err)
		case <-time.After(2 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s was not ready in time", r.cmd.Path)
}

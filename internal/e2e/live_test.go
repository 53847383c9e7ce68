package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/signature"
)

// peers installs npm's packages once, into a directory that is removed afterwards.
var peers = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "headgate-peers")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", dir, "ws@8", "eventsource@4", "standardwebhooks@1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install: %w: %s", err, out)
	}
	return dir, nil
})

// peer runs a script that uses npm's packages. next returns its output, line by line.
func peer(t *testing.T, args ...string) (next func() map[string]any) {
	t.Helper()
	required := os.Getenv("HEADGATE_REQUIRE_NODE") != ""
	if _, err := exec.LookPath("npm"); err != nil && !required {
		t.Skip("npm is not installed: skipped the tests with its packages")
	}
	dir, err := peers()
	if err != nil && !required {
		t.Skipf("npm's packages cannot be had: %v", err)
	}
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	script, err := filepath.Abs("testdata/peers.mjs")
	require.NoError(t, err)
	cmd := exec.CommandContext(ctx, "node", append([]string{script}, args...)...)
	cmd.Env = append(environment(nil), "PEERS="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	lines := make(chan string, 100)
	go func() {
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		close(lines)
	}()
	return func() (m map[string]any) {
		t.Helper()
		select {
		case line, ok := <-lines:
			require.True(t, ok, "the script ended")
			require.NoError(t, json.Unmarshal([]byte(line), &m), line)
			return m
		case <-time.After(20 * time.Second):
			require.Fail(t, "the script says nothing")
			return nil
		}
	}
}

func TestPeersLive(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	next := peer(t, "live", p.base)
	seen := map[string]bool{}
	for len(seen) < 3 { // open, subscribed, gone
		m := next()
		if m["socket"] == "open" {
			seen["socket"] = true
		}
		if s, ok := m["stream"].(map[string]any); ok {
			seen[fmt.Sprint(s["type"])] = true
		}
	}
	eventually(t, "both are subscribed", func() error {
		_, body, err := p.call("GET", "/live/clients", "")
		if err == nil && strings.Count(string(body), `"subscriptions":[{`) != 2 {
			err = fmt.Errorf("%s", body)
		}
		return err
	})
	began := time.Now()
	resp, body, err := p.call("PUT", "/orgs/default/items/100", `{"name":"Ünïcödé 🌊"}`)
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode, "%s", body)
	row := map[string]any{"id": "100", "name": "Ünïcödé 🌊"}
	for range 2 {
		m := next()
		if s, ok := m["stream"].(map[string]any); ok {
			require.Equal(t, row, s["data"])
		} else {
			require.Equal(t, row, m["socket"])
		}
	}
	require.Less(t, time.Since(began), 10*time.Second)
	code, took := p.term(t, 8*time.Second)
	require.Zero(t, code)
	t.Logf("drained in %v", took)
	for {
		if m := next(); m["socket"] == "closed" {
			require.Equal(t, 1012.0, m["code"])
			return
		}
	}
}

func TestPeersWebhooks(t *testing.T) {
	t.Parallel()
	secret := signature.NewSecret()
	p := start(t, options{env: []string{"CONFIG=" + strings.TrimSuffix(service("hooks", "p"), "}") + `,"echo":{"secrets":["` + secret + `"]}}`}})
	received := peer(t, "receive")
	target := fmt.Sprintf("http://127.0.0.1:%v", received()["port"])
	resp, body, err := p.call("POST", "/register-for-webhook", `{"url":"`+target+`/hook"}`)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, "%s", body)
	var registered struct{ Secret string }
	require.NoError(t, json.Unmarshal(body, &registered))
	told, err := http.Post(target+"/secret", "text/plain", strings.NewReader(registered.Secret))
	require.NoError(t, err)
	_ = told.Body.Close()

	sent := peer(t, "send", p.base, secret, "/echo-external-data-webhook")
	first := sent()
	require.Equal(t, 200.0, first["status"])
	require.Equal(t, false, first["body"].(map[string]any)["duplicate"])
	require.Equal(t, true, sent()["body"].(map[string]any)["duplicate"])
	require.Equal(t, 401.0, sent()["status"], "a body that was not signed")

	m := received()
	require.Nil(t, m["refused"])
	data := m["verified"].(map[string]any)["data"].(map[string]any)
	require.Equal(t, "Älpha", data["12"].(map[string]any)["name"])
}

// follow is a client of protocol 2 that names its version when it reconnects.
type follow struct {
	conn    *websocket.Conn
	version string
}

func (f *follow) connect(t *testing.T, p *process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, p.base+"/ws/entity-sync/?protocol=2", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	f.conn = conn
	require.NoError(t, conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"action":"subscribe","body":{"entity":"items","id":"1","have":%q}}`, f.version)))
}

// until reads frames until the entity has the value.
func (f *follow) until(t *testing.T, value float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, b, err := f.conn.Read(ctx)
		require.NoError(t, err)
		var m struct {
			Type, Version string
			Data          struct{ N float64 }
		}
		require.NoError(t, json.Unmarshal(b, &m))
		if m.Version != "" {
			f.version = m.Version
		}
		if m.Type == "entity" && m.Data.N == value {
			return
		}
	}
}

// Two processes on the emulators: a change on one reaches the clients of the other. When
// one is killed, its clients reconnect to the other and miss no change.
func TestLiveAcrossProcesses(t *testing.T) {
	t.Parallel()
	slow(t)
	env, _, _ := emulated(t)
	a, b := start(t, options{env: env}), start(t, options{env: env})
	put := func(p *process, n int) {
		t.Helper()
		resp, body, err := p.call("PUT", "/orgs/default/items/1", fmt.Sprintf(`{"n":%d}`, n))
		require.NoError(t, err)
		require.Less(t, resp.StatusCode, 300, "%s", body)
	}
	put(a, 1)
	onA, onB := &follow{}, &follow{}
	onA.connect(t, a)
	onB.connect(t, b)
	onA.until(t, 1)
	onB.until(t, 1)
	put(a, 2)
	onA.until(t, 2)
	onB.until(t, 2)
	a.kill9()
	put(b, 3) // while the clients of a are disconnected
	onB.until(t, 3)
	onA.connect(t, b)
	onA.until(t, 3)
	put(b, 4)
	onA.until(t, 4)
	onB.until(t, 4)
}

package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// documented returns the first program in that language of docs/clients.md.
func documented(t *testing.T, language string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/clients.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(doc)
	require.NotNil(t, block)
	return string(block[1])
}

// program is a client that a test started.
type program struct {
	stdout, stderr output
	cmd            *exec.Cmd
	end            func()
}

// run starts a command in a directory, and ends it with the test.
func run(t *testing.T, dir string, env []string, name string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{cmd: exec.CommandContext(ctx, name, args...)}
	p.cmd.Dir, p.cmd.Env = dir, append(environment(nil), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	require.NoError(t, p.cmd.Start())
	p.end = func() {
		cancel()
		_ = p.cmd.Wait()
	}
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("the client %s said\n%s%s", name, p.stdout.String(), tail(p.stderr.String(), 4000))
		}
	})
	return p
}

// says waits until the program has written a line that begins with a word, and returns the rest of it.
func (p *program) says(t *testing.T, word string) (rest string) {
	t.Helper()
	eventually(t, "the client says "+word, func() error {
		for line := range strings.Lines(p.stdout.String()) {
			if after, ok := strings.CutPrefix(line, word+" "); ok {
				rest = strings.TrimSpace(after)
				return nil
			}
		}
		return fmt.Errorf("it says %q", p.stdout.String())
	})
	return rest
}

// installed reports whether a program is here; if not, the test is skipped, or fails where it is required.
func installed(t *testing.T, name, variable string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		require.Empty(t, os.Getenv(variable), "%s is set, but %s is not installed", variable, name)
		t.Skipf("%s is not installed", name)
	}
}

// The documents' program in JavaScript sends an event to a server that is not there yet. The
// event survives a crash of the server, and its message is handled once, however often it is sent.
func TestTheDocumentsJavaScript(t *testing.T) {
	t.Parallel()
	installed(t, "node", "HEADGATE_REQUIRE_NODE")
	dir := t.TempDir()
	source, err := filepath.Abs("../../client/js")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "node_modules/@headgate"), 0o750))
	require.NoError(t, os.Symlink(source, filepath.Join(dir, "node_modules/@headgate/client")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.mjs"), []byte(documented(t, "js")), 0o600))
	p, at := fixedPort(t), fixedPort(t)
	c := run(t, dir, []string{"HEADGATE=http://" + p, "PORT=" + at[strings.LastIndex(at, ":")+1:]}, "node", "main.mjs")
	consumedOnce(t, p, at, c, nil)
}

// The same in Python, where the consumer crashes as well, and remembers what it handled.
func TestTheDocumentsPython(t *testing.T) {
	t.Parallel()
	installed(t, "python3", "HEADGATE_REQUIRE_NODE")
	dir := t.TempDir()
	module, err := os.ReadFile("../../client/python/headgate.py")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "headgate.py"), module, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.py"), []byte(documented(t, "python")), 0o600))
	p, at := fixedPort(t), fixedPort(t)
	begin := func() *program {
		return run(t, dir, []string{"HEADGATE=http://" + p, "PORT=" + at[strings.LastIndex(at, ":")+1:]}, "python3", "-B", "main.py")
	}
	consumedOnce(t, p, at, begin(), begin)
}

// The documents' program in Python listens before it sends: a message that its own event
// completes finds it, and does not wait for its second attempt.
func TestTheDocumentsPythonListensFirst(t *testing.T) {
	t.Parallel()
	installed(t, "python3", "HEADGATE_REQUIRE_NODE")
	dir := t.TempDir()
	module, err := os.ReadFile("../../client/python/headgate.py")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "headgate.py"), module, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.py"), []byte(documented(t, "python")), 0o600))
	at := fixedPort(t)
	dialled := make(chan error, 1)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			err = conn.Close()
		}
		select {
		case dialled <- err:
		default:
		}
		fmt.Fprint(w, `{"id":"1","eventKey":"entry1","receivedAt":"2026-05-01T12:00:00Z","duplicate":false,"triggered":null}`)
	}))
	defer gate.Close()
	c := run(t, dir, []string{"HEADGATE=" + gate.URL, "PORT=" + at[strings.LastIndex(at, ":")+1:]}, "python3", "-B", "main.py")
	c.says(t, "stored")
	require.NoError(t, <-dialled)
}

// consumedOnce starts the server under a client that already sends to it at addr, and listens
// at consumer. again starts the client again; nil: it stays.
func consumedOnce(t *testing.T, addr, consumer string, c *program, again func() *program) {
	t.Helper()
	time.Sleep(500 * time.Millisecond) // most likely the client's first attempts are refused
	cfg := `{"serviceName":"s","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"entry1"},{"eventKey":"entry2"}],
		"targets":[{"name":"mine","http":{"url":"http://` + consumer + `/"}}]}`
	p := start(t, options{addr: addr, env: []string{"CONFIG=" + cfg}})
	stored := c.says(t, "stored")
	p.kill9()
	p = p.restart(t).listens(t)
	p.ready(t)
	require.True(t, p.event(t, "entry1", "unnamed").Triggered == nil)
	triggered := p.event(t, "entry2", "completes").Triggered
	require.NotNil(t, triggered)
	require.Equal(t, *triggered, c.says(t, "handled"))
	require.Contains(t, p.must(t, "GET", "/messages/"+*triggered, ""), stored, "the event of the client is in the message")
	first := c
	if again != nil {
		c.end()
		c = again()
		require.Equal(t, stored, c.says(t, "stored"), "the event is sent under the same name, and is the same")
		require.NotContains(t, c.stdout.String(), "handled")
	}
	eventually(t, "the message is replayed", func() error {
		return p.expect(200, "POST", "/messages/"+*triggered+"/replay")
	})
	require.Equal(t, 1, strings.Count(first.stdout.String(), "handled"))
	if again != nil {
		require.NotContains(t, c.stdout.String(), "handled")
	}
}

// The JavaScript client works in a page of another origin that the configuration lists: it
// sends, verifies as the vectors say, and sees changes.
func TestBrowserClientOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	files := ownPage(t)
	p := start(t, options{env: []string{`CONFIG={"serviceName":"s","trigger":{"type":"window","observationPeriod":3600},"endpoints":[{"eventKey":"entry1"},{"eventKey":"entry2"}],
		"targetPubSub":{"topic":"projects/p/topics/sync"},"cors":{"allowedOrigins":["` + files.URL + `"]}}`}})
	page := browser(t, files.URL+"/vectors.json")
	require.True(t, js[bool](t, page, `import("/js/index.js").then((m) => { window.headgate = m; window.gate = { url: "`+p.base+`" }; return true; })`))
	for range 2 {
		sent := js[receipt](t, page, `headgate.send(gate, { eventKey: "entry1", body: Uint8Array.of(0, 255), idempotencyKey: "a" })`)
		require.NotEmpty(t, sent.ID)
	}
	require.Equal(t, 1, p.status(t).have(), "both are the same event")
	require.Equal(t, "404 no endpoint", js[string](t, page, `headgate.send(gate, { eventKey: "nope" }).catch((e) => e.status + " " + e.detail.slice(0, 11))`))
	wrong := js[[]string](t, page, `fetch("/vectors.json").then((r) => r.json()).then(async ({ webhooks }) => {
		const wrong = [];
		for (const v of webhooks) {
			const body = Uint8Array.from(atob(v.bodyBase64), (c) => c.charCodeAt(0));
			const got = await headgate.verify({ headers: v.headers, body, secrets: v.secrets, now: v.now * 1000 }).then((id) => ["", id], (e) => [e.code, ""]);
			if (got[0] !== v.error || got[1] !== v.id) wrong.push(v.name + ": " + got);
		}
		return wrong.concat(webhooks.length > 20 ? [] : "too few vectors");
	})`)
	require.Empty(t, wrong)
	p.put(t, 1)
	require.True(t, js[bool](t, page, listenAt(p.base)))
	sees(t, page, 1)
	p.put(t, 2)
	sees(t, page, 2)
	require.Equal(t, "open websocket", js[string](t, page, "window.state"))
}

// The live client also runs in Node, and misses nothing while the server restarts.
func TestLiveClientInNode(t *testing.T) {
	t.Parallel()
	installed(t, "node", "HEADGATE_REQUIRE_NODE")
	source, err := filepath.Abs("../../client/js/live.js")
	require.NoError(t, err)
	p := start(t, options{addr: fixedPort(t)})
	c := run(t, t.TempDir(), nil, "node", "--experimental-websocket", "--input-type=module", "-e", `
		import { connect } from "file://`+source+`";
		connect({ base: "`+p.base+`" }).subscribe("items", "1", (c) => c.data && console.log("n" + c.data.n, "seen"));`)
	p.put(t, 1)
	c.says(t, "n1")
	p.kill9()
	p = p.restart(t).listens(t)
	p.ready(t)
	p.put(t, 2)
	c.says(t, "n2")
}

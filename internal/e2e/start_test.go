package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
)

// With EventSync's variable and nothing else, messages do not reach the topic. The log at
// start and /readyz warn of that.
func TestProjectGivenAndNoStoreChosen(t *testing.T) {
	t.Parallel()
	type state struct{ Warnings []string }
	p := start(t, options{env: []string{"projectID=p", "GOOGLE_APPLICATION_CREDENTIALS=/nowhere/key.json"}})
	warned := 0
	for line := range strings.Lines(p.stderr.String()) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "given=projectID") {
			warned++
		}
	}
	require.Equal(t, 2, warned, p.stderr.String())
	require.Contains(t, p.stderr.String(), "--store firestore or --store sqlite")
	require.Contains(t, p.stderr.String(), "--bus pubsub or --bus local")
	require.Len(t, read[state](t, p, "GET", "/readyz").Warnings, 2)

	p = start(t, options{env: []string{"projectID=p"}, args: []string{"--store", "sqlite", "--bus", "local"}})
	require.NotContains(t, p.stderr.String(), "level=WARN")
	require.Empty(t, read[state](t, p, "GET", "/readyz").Warnings)
}

// With PORT, as the image sets it, the process listens on every address, so that it can be
// reached from outside of its container. It warns that everybody can reach it.
func TestPortListensEverywhere(t *testing.T) {
	t.Parallel()
	image, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	require.Contains(t, string(image), "\nENV PORT=8080\n")
	require.Contains(t, string(image), "\nENTRYPOINT [\"/headgate\"]", "without --addr, which would win")
	_, port, err := net.SplitHostPort(fixedPort(t))
	require.NoError(t, err)
	p := &process{o: options{data: t.TempDir()}, exited: make(chan struct{})}
	p.cmd = exec.Command(binary)
	p.cmd.Env, p.cmd.Dir = environment([]string{"PORT=" + port}), p.o.data
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	require.NoError(t, p.cmd.Start())
	go func() { _ = p.cmd.Wait(); close(p.exited) }()
	t.Cleanup(p.kill9)
	p.listens(t)
	require.Contains(t, p.stderr.String(), "addr=[::]:"+port)
	require.Contains(t, p.stderr.String(), `configure \"auth\"`)
	p.base = "http://127.0.0.1:" + port
	p.ready(t)
}

// A start names the emulators that do not answer. Once they run, everything works, and the
// topic is created.
func TestEmulatorsThatComeLater(t *testing.T) {
	t.Parallel()
	slow(t)
	project := emulator.Project()
	firestore, pubsub := emulator.StartFirestore(t), emulator.StartPubSub(t)
	firestore.Kill()
	pubsub.Kill()
	p := launch(t, options{env: []string{
		"FIRESTORE_EMULATOR_HOST=" + firestore.Host, "PUBSUB_EMULATOR_HOST=" + pubsub.Host, "CONFIG=" + service("later", project),
	}}).listens(t)
	require.Contains(t, p.stderr.String(), "FIRESTORE_EMULATOR_HOST names does not answer")
	require.Contains(t, p.stderr.String(), "host="+pubsub.Host)
	require.NoError(t, p.expect(503, "GET", "/readyz"))

	firestore.Start()
	pubsub.Start()
	eventually(t, "a message is published", func() error {
		for _, key := range []string{"entry1", "entry2"} {
			if err := p.expect(200, "POST", "/event/"+key); err != nil {
				return err
			}
		}
		s, err := try[serviceStatus](p, "GET", "/status")
		if err == nil && s.Outbox.Backlog > 0 {
			err = fmt.Errorf("%d messages wait", s.Outbox.Backlog)
		}
		return err
	})
	eventually(t, "it is ready", func() error { return p.expect(200, "GET", "/readyz") })
}

// Processes that serve live clients on Firestore without a topic warn of that.
func TestLiveWithoutATopic(t *testing.T) {
	t.Parallel()
	type state struct {
		Status   string
		Warnings []string
	}
	host, project := emulator.Firestore(t)
	p := start(t, options{env: []string{"FIRESTORE_EMULATOR_HOST=" + host, "CONFIG=" + service("alone", project)}})
	require.Contains(t, p.stderr.String(), "live clients get only the changes that are made through their own instance")
	s := read[state](t, p, "GET", "/readyz")
	require.Equal(t, "ready", s.Status)
	require.Len(t, s.Warnings, 1)
	require.Contains(t, s.Warnings[0], "live.topic")

	p = start(t, options{env: p.o.env, args: []string{"--function", "ingest"}})
	require.Empty(t, read[state](t, p, "GET", "/readyz").Warnings)
}

package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
)

// slowly starts a request and sends only half of its body.
func slowly(t *testing.T, p *process) (conn net.Conn, answers *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = fmt.Fprintf(conn, "POST /event/entry1 HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", p.addr)
	require.NoError(t, err)
	// The server sends 100 Continue once the handler reads the body: the handler is running.
	answers = bufio.NewReader(conn)
	line, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
	_, err = answers.ReadString('\n')
	require.NoError(t, err)
	_, err = io.WriteString(conn, "slow ")
	require.NoError(t, err)
	return conn, answers
}

func TestTermFinishesRunningRequests(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	conn, answers := slowly(t, p)
	begin := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, "it stops accepting", func() error {
		c, err := net.DialTimeout("tcp", p.addr, time.Second)
		if err == nil {
			_ = c.Close()
			return fmt.Errorf("%s still answers", p.addr)
		}
		return nil
	})
	_, err := io.WriteString(conn, "event")
	require.NoError(t, err)
	resp, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	p.wait(t, 8*time.Second-time.Since(begin))
	require.Zero(t, p.cmd.ProcessState.ExitCode(), p.stderr.String())

	p = start(t, options{data: p.o.data})
	require.Equal(t, 1, p.status(t).have())
	require.NotNil(t, p.event(t, "entry2", "other").Triggered)
	c := newCensus()
	c.collect(t, p, 0)
	c.check(t, []string{"slow event", "other"})
}

// A client that never finishes its request does not keep the process from ending.
func TestTermDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	slow(t)
	p := start(t, options{})
	slowly(t, p)
	code, took := p.term(t, 9*time.Second)
	require.Zero(t, code, p.stderr.String())
	require.Less(t, took, 8*time.Second)
	t.Logf("ended after %v", took.Round(time.Millisecond))
}

// Neither does a store that does not answer.
func TestTermWithTheStoreAway(t *testing.T) {
	t.Parallel()
	slow(t)
	host, project := emulator.Firestore(t)
	proxy := newProxy(t, host)
	p := start(t, options{env: []string{"FIRESTORE_EMULATOR_HOST=" + proxy.addr, "CONFIG=" + service("term", project)}})
	startLoad(t, p, "term", 8, 0)
	time.Sleep(300 * time.Millisecond)
	proxy.mute(true) // commits, checks and claims are running
	time.Sleep(100 * time.Millisecond)
	_, took := p.term(t, 30*time.Second)
	require.Less(t, took, 8*time.Second)
	t.Logf("ended after %v", took.Round(time.Millisecond))
}

// Neither does a sweep that publishes old claims.
func TestTermWhileSweeping(t *testing.T) {
	t.Parallel()
	slow(t)
	host, project := emulator.Firestore(t)
	pubsubHost, _ := emulator.PubSub(t)
	proxy := newProxy(t, host)
	p := start(t, options{env: []string{
		"FIRESTORE_EMULATOR_HOST=" + proxy.addr, "PUBSUB_EMULATOR_HOST=" + pubsubHost, "CONFIG=" + service("sweeping", project),
	}})
	admin := dialPubSub(t, pubsubHost, project)
	require.NoError(t, admin.TopicAdminClient.DeleteTopic(t.Context(), &pubsubpb.DeleteTopicRequest{Topic: topicOf(project)}))
	for n := range 400 {
		p.event(t, fmt.Sprintf("entry%d", 1+n%2), "hello")
	}
	backlog := p.status(t).Outbox.Backlog
	require.Equal(t, 200, backlog)
	_, err := admin.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topicOf(project)})
	require.NoError(t, err)
	eventually(t, "the process's own sweep publishes", func() error {
		if s, err := try[serviceStatus](p, "GET", "/status"); err != nil || s.Outbox.Backlog == backlog {
			return fmt.Errorf("%d wait (%w)", s.Outbox.Backlog, err)
		}
		return nil
	})
	proxy.mute(true)
	_, took := p.term(t, 30*time.Second)
	require.Less(t, took, 8*time.Second)
	t.Logf("ended after %v", took.Round(time.Millisecond))
}

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var curlLine = regexp.MustCompile(`(?m)^\s*(curl .*)$`)

// A new user starts Headgate without any setup, pastes the commands that it prints, and
// sees the message.
func TestLaptop(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	p := launch(t, options{}).listens(t)
	require.NoError(t, p.expect(200, "GET", "/healthz"))
	t.Logf("start to first answer: %v", time.Since(begin).Round(time.Millisecond))
	p.ready(t)

	banner := p.stdout.String()
	require.Contains(t, banner, "No configuration given")
	require.Contains(t, banner, "My First Event Sync")
	for _, url := range []string{"/event/entry1", "/event/entry2", "/status", "/messages", "/trigger", "/console"} {
		require.Contains(t, banner, p.base+url)
	}
	var lines []string
	for _, found := range curlLine.FindAllStringSubmatch(banner, -1) {
		lines = append(lines, found[1])
	}
	require.Len(t, lines, 4, "%s", banner)
	var answers []string
	for _, line := range lines {
		answers = append(answers, paste(t, line))
	}
	require.Contains(t, answers[0], `"triggered":null`)
	require.Contains(t, answers[1], `"triggered":"`)
	// A source is answered as soon as its message is published; the record of that follows.
	require.Regexp(t, `"state":"(claimed|published)"`, answers[2])
	require.NotContains(t, answers[3], "message", "the system outside took the change")

	list := p.messages(t)
	require.Len(t, list, 1)
	require.Equal(t, 2, list[0].NumberOfEvents)
	require.Contains(t, answers[1], list[0].EventID)
	_, body, err := p.call("GET", "/messages/"+list[0].EventID, "")
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(body), `"content":"hello"`), "%s", body)
}

// paste runs a line in the way of a shell.
func paste(t *testing.T, line string) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.Command("sh", "-c", strings.Replace(line, "curl ", "curl -sS --max-time 20 ", 1)).CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
		return string(out)
	}
	words := strings.Fields(line)
	method, content := http.MethodGet, ""
	if words[1] == "-d" {
		method, content = http.MethodPost, strings.Trim(words[2], "'")
	}
	req, err := http.NewRequest(method, words[len(words)-1], strings.NewReader(content))
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

// Stored events survive a restart, even after a crash.
func TestEventsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	p := start(t, options{addr: fixedPort(t)})
	p.event(t, "entry1", "before")
	p.kill9()
	p = p.restart(t).listens(t)
	p.ready(t)
	r := p.event(t, "entry2", "after")
	require.NotNil(t, r.Triggered)
	c := newCensus()
	c.collect(t, p, 0)
	c.check(t, []string{"before", "after"})
}

func TestSeveralServices(t *testing.T) {
	t.Parallel()
	cfg := fmt.Sprintf(`{"services":[%s,%s]}`, service("first", "p"), service("zweiter / Dienst", "p"))
	p := start(t, options{env: []string{"CONFIG=" + cfg}})
	require.Contains(t, p.stdout.String(), p.base+"/services/zweiter%20%2F%20Dienst/event/entry1")
	for _, path := range []string{"/event/entry1", "/services/zweiter%20%2F%20Dienst/event/entry1", "/services/first/event/entry2"} {
		require.NoError(t, p.expect(200, "POST", path), path)
	}
	require.Len(t, p.messages(t), 1, "the first service has both of its events, the second one of two")
	require.NoError(t, p.expect(404, "POST", "/services/other/event/entry1"))
}

// service returns the configuration of a service with two endpoints.
func service(name, project string) string {
	return fmt.Sprintf(`{"serviceName":%q,"trigger":{"type":"window","observationPeriod":3600},`+
		`"endpoints":[{"eventKey":"entry1"},{"eventKey":"entry2"}],"targetPubSub":{"topic":%q}}`, name, topicOf(project))
}

func topicOf(project string) string { return "projects/" + project + "/topics/sync" }

package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/emulator"
)

// Pub/Sub stops under load and restarts empty. Sources notice at most a delay.
func TestPubSubAway(t *testing.T) {
	t.Parallel()
	slow(t)
	firestore, project := emulator.Firestore(t)
	ps := emulator.StartPubSub(t)
	p := start(t, options{env: []string{
		"FIRESTORE_EMULATOR_HOST=" + firestore, "PUBSUB_EMULATOR_HOST=" + ps.Host, "CONFIG=" + service("away", project),
	}})
	s := consume(t, ps.Host, project, nil)
	p.event(t, "entry1", "before 1")
	p.event(t, "entry2", "before 2")
	all := []string{"before 1", "before 2"}
	s.receivesAll(t, all)

	ps.Kill()
	l := startLoad(t, p, "away", 4, 0)
	time.Sleep(12 * time.Second) // longer than one attempt to publish takes
	resp, body, err := p.call("GET", "/readyz", "")
	require.NoError(t, err)
	require.NoError(t, problem(resp, body))
	require.Contains(t, string(body), "bus")
	l.finish()
	require.Zero(t, l.retries.Load(), "sources get 200")
	require.NotEmpty(t, l.acked)
	require.Positive(t, p.status(t).Outbox.Backlog)

	ps.Start()
	back := consume(t, ps.Host, project, s.census)
	p.settle(t)
	all = append(all, l.acked...)
	back.receivesAll(t, all)
	s.census.collect(t, p, 100)
	s.census.check(t, all)
	p.ready(t)
	t.Logf("%d events acknowledged while Pub/Sub was away, after %v at most", len(l.acked), time.Duration(l.longest.Load()).Round(time.Millisecond))
}

func TestTopicMissing(t *testing.T) {
	t.Parallel()
	slow(t)
	env, pubsubHost, project := emulated(t)
	p := start(t, options{env: env})
	admin := dialPubSub(t, pubsubHost, project)
	require.NoError(t, admin.TopicAdminClient.DeleteTopic(t.Context(), &pubsubpb.DeleteTopicRequest{Topic: topicOf(project)}))

	p.event(t, "entry1", "one")
	p.event(t, "entry2", "two")
	resp, body, err := p.call("GET", "/readyz", "")
	require.NoError(t, err)
	require.NoError(t, problem(resp, body))
	require.Contains(t, string(body), topicOf(project))
	require.Equal(t, 1, p.status(t).Outbox.Backlog)
	list := p.messages(t)
	require.Len(t, list, 1)
	require.Equal(t, "claimed", list[0].State)
	require.Contains(t, list[0].LastError, topicOf(project))

	s := consume(t, pubsubHost, project, nil) // creates the topic
	p.settle(t)
	s.receivesAll(t, []string{"one", "two"})
	s.census.collect(t, p, 0)
	s.census.check(t, []string{"one", "two"})
	require.NoError(t, p.expect(200, "GET", "/readyz"))
	require.Empty(t, p.messages(t)[0].LastError)
}

// The connections of two processes to one Firestore break under load, often after a commit
// was sent and before its answer arrived. The client then sends the commit again, and
// finds its own success, or a change that the other process has made since.
func TestFirestoreConnectionsBreak(t *testing.T) {
	t.Parallel()
	slow(t)
	host, project := emulator.Firestore(t)
	proxy := newProxy(t, host)
	o := options{env: []string{"FIRESTORE_EMULATOR_HOST=" + proxy.addr, "CONFIG=" + service("breaks", project)}}
	p, other := start(t, o), start(t, o)
	l, l2 := startLoad(t, p, "p", 6, 0), startLoad(t, other, "other", 6, 0)
	for range 10 {
		time.Sleep(50*time.Millisecond + rand.N(250*time.Millisecond))
		if rand.N(3) > 0 {
			proxy.mute(true)
			time.Sleep(rand.N(40 * time.Millisecond))
		}
		proxy.setDown(true)
		proxy.mute(false)
		time.Sleep(rand.N(200 * time.Millisecond))
		proxy.setDown(false)
		acked := []int{l.count(), l2.count()}
		eventually(t, "both acknowledge events again", func() error {
			if now := []int{l.count(), l2.count()}; now[0] == acked[0] || now[1] == acked[1] {
				return fmt.Errorf("%d are acknowledged, they were %d", now, acked)
			}
			return nil
		})
	}
	l.finish()
	l2.finish()
	p.settle(t)
	all := append(l.acked, l2.acked...)
	c := newCensus()
	c.collect(t, p, 0)
	c.check(t, all)
	t.Logf("%d events acknowledged, %d answers of 503, in %d messages", len(all), l.unavailable.Load()+l2.unavailable.Load(), len(c.bodies))
}

// Firestore restarts under load, which takes longer than a request waits.
func TestFirestoreRestarts(t *testing.T) {
	t.Parallel()
	slow(t)
	first := emulator.StartFirestore(t)
	project := emulator.Project()
	proxy := newProxy(t, first.Host)
	p := start(t, options{env: []string{"FIRESTORE_EMULATOR_HOST=" + proxy.addr, "CONFIG=" + service("restarts", project)}})
	p.event(t, "entry1", "waits") // its window is released after the restart, or by the load
	l := startLoad(t, p, "r", 8, 0)
	time.Sleep(time.Second)

	proxy.setDown(true) // so that nothing is acknowledged after the export
	began := time.Now()
	saved := export(t, first, project)
	first.Kill()
	eventually(t, "sources get 503", func() error {
		if l.unavailable.Load() == 0 {
			return fmt.Errorf("none in %v", time.Since(began))
		}
		return nil
	})
	// A source may have got 503 because of a read. Only when the process is not ready has a
	// write failed, too.
	eventually(t, "not ready", func() error {
		resp, body, err := p.call("GET", "/readyz", "")
		if err != nil {
			return err
		}
		return problem(resp, body)
	})
	require.NoError(t, p.expect(200, "GET", "/healthz"))

	proxy.move(emulator.StartFirestore(t, "--import-data="+saved).Host)
	proxy.setDown(false)
	p.ready(t)
	acked := l.count()
	eventually(t, "events are acknowledged again", func() error {
		if l.count() < acked+8 {
			return fmt.Errorf("only %d", l.count()-acked)
		}
		return nil
	})
	l.finish()
	p.settle(t)
	c := newCensus()
	c.collect(t, p, 0)
	c.check(t, append(l.acked, "waits"))
	t.Logf("%d events acknowledged, %d answers of 503, away for %v", len(l.acked), l.unavailable.Load(), time.Since(began).Round(time.Second))
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// export exports a project's data from the emulator, and returns the path.
func export(t *testing.T, e *emulator.Process, project string) string {
	t.Helper()
	dir := t.TempDir()
	body := fmt.Sprintf(`{"database":"projects/%s/databases/(default)","export_directory":%q,"export_name":"all"}`, project, dir)
	req, err := http.NewRequest("POST", "http://"+e.Host+"/emulator/v1/projects/"+project+":export", bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer owner")
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, "%s", answer)
	return filepath.Join(dir, "all", "all.overall_export_metadata")
}

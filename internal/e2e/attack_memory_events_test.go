package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// events returns the environment of a service with two endpoints. Its window is complete
// once each of them has an event.
func events(more string) []string {
	return []string{`CONFIG={"serviceName":"s","trigger":{"type":"window","observationPeriod":36000},` + more + `
		"endpoints":[{"eventKey":"a"},{"eventKey":"b"}],"targetPubSub":{"topic":"projects/p/topics/sync"}}`}
}

// paths returns the paths of a flood: one endpoint, so that no window is complete, or both
// in turn, so that messages are published.
func paths(prefix string, complete bool) string {
	if complete {
		return prefix + "a," + prefix + "b"
	}
	return prefix + "a"
}

// stored requires that the acknowledged events of these names are stored: a second event
// with the same name must be a duplicate.
func (p *limited) stored(t *testing.T, names []string) {
	t.Helper()
	for _, name := range names {
		path := strings.Fields(name)[0]
		body := "again"
		if strings.HasPrefix(path, "/events/") {
			body = "[" + strings.TrimSuffix(strings.Repeat("1,", 1000), ",") + "]"
		}
		resp, text, err := p.call("POST", path, body, "Idempotency-Key", name)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, string(text))
		require.NotContains(t, string(text), `"duplicate":false`, "%s was acknowledged and is not there", name)
	}
}

func TestAttackMemoryMillionsOfItems(t *testing.T) {
	t.Parallel()
	p := startLimited(t, 1024*mib, options{env: events("")})
	items := []byte("[1" + strings.Repeat(",1", 8*mib-2) + "]")
	require.Less(t, len(items), 16*mib)
	for _, n := range []int{1, 2} {
		p.flood(n, "/events/a", items).require(t, 400)
	}
	p.flood(8, "/events/a", items).require(t, 400, 503)
	p.flood(2, "/events/a", items, "Content-Type", "application/cloudevents-batch+json").require(t, 400, 503)
	require.NoError(t, p.define("in"))
	for _, rows := range []string{"[{}" + strings.Repeat(",{}", 8*mib/3-2) + "]", `{"data":[` + strings.Repeat("[],", 2*mib) + "[]]}"} {
		p.flood(4, "/sync/in/data", []byte(rows)).require(t, 400, 413, 503)
	}
	wide := "[{" + strings.TrimSuffix(strings.Repeat(`"a":1,`, mib), ",") + "}]"
	p.flood(8, "/sync/in/data", []byte(wide)).require(t, 200, 400, 413, 503)
	p.survives(t)
}

// A JSON value of two bytes takes fifty bytes once it is decoded. The memory of records,
// webhooks and CloudEvents is bounded by the decoded size.
func TestAttackMemoryWideJSON(t *testing.T) {
	t.Parallel()
	p := startLimited(t, 1024*mib, options{env: events(`"hooks":[{"name":"any","verify":{"type":"none"},"entity":"'items'","id":"body.a.size()","signal":true}],`)})
	n := 10
	if os.Getenv("HEADGATE_ATTACK") != "" {
		n = 60
	}
	row := []byte(`{"a":[` + strings.TrimSuffix(strings.Repeat("1,", mib/2-10), ",") + "]}")
	for _, path := range []string{"/notify", "/sync/check", "/hooks/any", "/echo-external-data-webhook", "/register-session-url"} {
		p.flood(n, path, row).require(t, 200, 400, 413, 503)
	}
	var members bytes.Buffer
	members.WriteString(`{"specversion":"1.0","id":"1","source":"s","type":"t"`)
	for i := 0; members.Len() < mib-20; i++ {
		fmt.Fprintf(&members, `,"%x":1`, i)
	}
	members.WriteByte('}')
	p.flood(n, "/event/a", members.Bytes(), "Content-Type", "application/cloudevents+json").require(t, 200, 503)
	p.survives(t)
}

// define defines a sync whose records callers send.
func (p *limited) define(id string) error {
	resp, text, err := p.call("POST", "/sync", fmt.Sprintf(`{"id":%q,"orgId":"o","type":"pull","datasource":{"type":"csv","fileUrl":"x.csv","selectedDatatypes":["x"]},
		"mapping":{"x":{"key":["a"],"fields":{"a":{"from":"a","type":"number"}}}}}`, id))
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}

func batch(t *testing.T, items, size int) []byte {
	t.Helper()
	list := make([]string, items)
	for i := range list {
		list[i] = strings.Repeat("x", size-4)
	}
	text, err := json.Marshal(list)
	require.NoError(t, err)
	require.LessOrEqual(t, len(text), 16*mib)
	return text
}

func TestAttackMemoryBatches(t *testing.T) {
	t.Parallel()
	p := startLimited(t, 1024*mib, options{env: events("")})
	a := p.flood(8, "/events/a", batch(t, 1000, 4<<10))
	a.require(t, 200, 503)
	require.NotEmpty(t, a.acked)
	p.stored(t, a.acked)
	p.survives(t)
}

func TestAttackMemoryBatchesInFull(t *testing.T) {
	attacking(t)
	for _, complete := range []bool{false, true} {
		t.Run(fmt.Sprintf("messages %v", complete), func(t *testing.T) {
			p := startLimited(t, 1024*mib, options{env: events("")})
			full := batch(t, 1000, 16<<10)
			for _, n := range []int{40, 200} {
				a := p.flood(n, paths("/events/", complete), full)
				a.require(t, 200, 503)
				require.NotEmpty(t, a.acked)
				p.stored(t, a.acked)
			}
			p.survives(t)
		})
	}
}

func TestAttackMemoryEvents(t *testing.T) {
	t.Parallel()
	p := startLimited(t, 1024*mib, options{env: events("")})
	a := p.flood(24, paths("/event/", true), bytes.Repeat([]byte("x"), mib))
	a.require(t, 200, 503)
	require.NotEmpty(t, a.acked)
	p.stored(t, a.acked)
	p.survives(t)
}

// Connections that announce large bodies and send almost nothing do not block others.
func TestAttackMemoryIdleBodies(t *testing.T) {
	t.Parallel()
	p := startLimited(t, 1024*mib, options{env: events("")})
	for i := range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = fmt.Fprintf(c, "POST /events/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			16*mib-1, strings.Repeat("[", i%2))
		require.NoError(t, err)
	}
	for range 5 {
		a := p.flood(4, "/event/a", bytes.Repeat([]byte("x"), mib))
		a.require(t, 200)
	}
	p.survives(t)
}

func TestAttackMemoryEventsInFull(t *testing.T) {
	attacking(t)
	for _, size := range []int{1, 8} {
		for _, complete := range []bool{false, true} {
			for _, letter := range []string{"x", "\x01"} { // the latter takes six bytes in a message
				t.Run(fmt.Sprintf("%d MiB of %q, messages %v", size, letter, complete), func(t *testing.T) {
					p := startLimited(t, 1024*mib, options{env: events(`"maxEventBytes":8388608,`)})
					a := p.flood(200, paths("/event/", complete), bytes.Repeat([]byte(letter), size*mib))
					a.require(t, 200, 503)
					require.NotEmpty(t, a.acked)
					p.stored(t, a.acked)
					p.survives(t)
				})
			}
		}
	}
}

func TestAttackMemorySmallProcess(t *testing.T) {
	attacking(t)
	for _, limit := range []int{256, 512} {
		t.Run(fmt.Sprintf("%d MiB", limit), func(t *testing.T) {
			p := startLimited(t, limit*mib, options{env: events("")})
			p.flood(8, "/events/a", []byte("[1"+strings.Repeat(",1", 8*mib-2)+"]")).require(t, 400, 503)
			for _, body := range [][]byte{batch(t, 1000, 16<<10), batch(t, 1000, 1<<10)} {
				a := p.flood(40, paths("/events/", true), body)
				a.require(t, 200, 503)
				require.NotEmpty(t, a.acked)
				p.stored(t, a.acked)
			}
			a := p.flood(100, paths("/event/", true), bytes.Repeat([]byte("x"), mib))
			a.require(t, 200, 503)
			require.NotEmpty(t, a.acked)
			p.stored(t, a.acked)
			p.survives(t)
		})
	}
}

package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A webhook that was answered with 202 starts its run although the process is killed while
// the run before is at work.
func TestCrashWithAWebhookThatWaits(t *testing.T) {
	t.Parallel()
	slow(t) // the killed process's lease has to run out
	var reads atomic.Int64
	reached, gate := make(chan struct{}), make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if reads.Add(1) == 1 {
			close(reached)
			<-gate
		}
		_, _ = fmt.Fprint(w, `[{"id":"1","n":1}]`)
	}))
	t.Cleanup(func() { open(); source.Close() })
	p := start(t, options{addr: fixedPort(t), env: []string{`CONFIG={"hooks":[{"name":"h","verify":{"type":"none"},"sync":"s"}]}`}})
	p.define(t, `{"id":"s","orgId":"o","type":"pull","datasource":{"type":"api","url":"`+source.URL+`/","selectedDatatypes":["t"],"options":{"list":"{type}"}},
		"mapping":{"t":{"key":["id"],"fields":{"n":{"from":"n","type":"number"}}}}}`)
	hook := func() (status int) {
		resp, body, err := p.call("POST", "/hooks/h", `{}`)
		require.NoError(t, err)
		require.Less(t, resp.StatusCode, 300, "%s", body)
		return resp.StatusCode
	}
	require.Equal(t, 200, hook())
	<-reached
	require.Equal(t, 202, hook())
	p.kill9()
	open()
	p = p.restart(t).listens(t)
	type runs struct {
		Runs []struct{ State, Trigger string }
	}
	eventually(t, "both runs finish", func() error {
		got, err := try[runs](p, "GET", "/sync/s/runs")
		if err != nil {
			return err
		}
		for _, r := range got.Runs {
			if r.State != "finished" || r.Trigger != "webhook" {
				return fmt.Errorf("%+v", got)
			}
		}
		require.Len(t, got.Runs, 2)
		return nil
	})
	require.GreaterOrEqual(t, reads.Load(), int64(3), "the first run's two tries, and the second run's own")
}

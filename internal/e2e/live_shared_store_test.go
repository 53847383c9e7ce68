package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// Processes that share nothing but a data directory tell each other's live clients of
// changes: a sync that a command runs beside a server, and a write at a second server. The
// comparison of versions, five minutes apart, has no part in it.
func TestLiveAcrossProcessesOnOneFile(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(data, "items.csv"), []byte("id,n\n1,7\n2,8\n"), 0o600))
	def := filepath.Join(data, "items.json")
	require.NoError(t, os.WriteFile(def, []byte(`{"id":"items","orgId":"default","type":"pull",
		"datasource":{"type":"csv","fileUrl":"items.csv","selectedDatatypes":["items"],"options":{"includesHeadings":true}},
		"mapping":{"items":{"key":["id"],"fields":{"n":{"from":"n","type":"number"}}}}}`), 0o600))

	server := start(t, options{data: data, args: []string{"--function", "live"}}) // it runs no syncs: the command uses the store
	all := &follow{}
	all.subscribeAll(t, server)
	cmd := exec.Command(binary, "sync", "run", def, "--data", data)
	cmd.Env, cmd.Dir = environment(nil), data
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "using that process")
	all.until(t, 7)

	one := &follow{}
	one.connect(t, server)
	second := start(t, options{data: data})
	put := func(n int) {
		t.Helper()
		resp, body, err := second.call("PUT", "/orgs/default/items/1", fmt.Sprintf(`{"n":%d}`, n))
		require.NoError(t, err)
		require.Less(t, resp.StatusCode, 300, "%s", body)
	}
	put(20)
	one.until(t, 20)
	all.until(t, 20)
	put(21)
	one.until(t, 21)
}

// subscribeAll connects a client that gets every change of items.
func (f *follow) subscribeAll(t *testing.T, p *process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, p.base+"/ws/entity-sync/?protocol=2", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	f.conn = conn
	require.NoError(t, conn.Write(ctx, websocket.MessageText, []byte(`{"action":"subscribe","body":{"entity":"items","id":"*"}}`)))
	for range 2 { // welcome, subscribed
		_, _, err := conn.Read(ctx)
		require.NoError(t, err)
	}
}

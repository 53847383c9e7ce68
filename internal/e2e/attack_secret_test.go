package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// The author of a definition tries to send secrets of the process to a server of theirs.
// Each such definition is refused, and a secret that is allowed for one host is sent to no
// other.
func TestAttackDefinitionSendsTheProcesssSecretsAway(t *testing.T) {
	t.Parallel()
	var got atomic.Pointer[string]
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := r.URL.String() + fmt.Sprint(r.Header)
		got.Store(&text)
		_, _ = w.Write([]byte(`[]`))
	}))
	t.Cleanup(thief.Close)
	definition := func(id, ref string) string {
		return fmt.Sprintf(`{"id":%q,"orgId":"o","type":"pull","datasource":{"type":"api","url":%q,"selectedDatatypes":["x"],"options":{"auth":{"type":"bearer","token":%q}}}}`, id, thief.URL, ref)
	}
	secrets := []string{"CANARY=c4n4ry", "HEADGATE_SECRET_MINE=m1ne-c4n4ry"}
	listed := `"sync":{"secrets":[{"ref":"env:CANARY","hosts":["api.example.com"]},{"ref":"env:MINE","hosts":["%s"]}]}`
	for name, c := range map[string]struct{ config, ref, says string }{
		"nothing listed": {`"sync":{}`, "env:CANARY", "begins with HEADGATE_SECRET_"},
		"manager":        {`"sync":{}`, "sm://projects/p/secrets/s", "list it in sync.secrets"},
		"of the system":  {`"sync":{}`, "env:PATH", "env:PATH is not allowed for syncs"},
		"another host":   {fmt.Sprintf(listed, "h"), "env:CANARY", "may not be sent to 127.0.0.1:"},
		"not listed":     {fmt.Sprintf(listed, "h"), "env:HEADGATE_SECRET_MINE", "list it in sync.secrets"},
	} {
		p := start(t, options{env: append([]string{"CONFIG=" + with(service("s", "p"), c.config)}, secrets...)})
		for path, status := range map[string]int{"/sync": http.StatusBadRequest, "/sync/check": http.StatusOK} {
			resp, body, err := p.call("POST", path, definition("a", c.ref))
			require.NoError(t, err)
			require.Equal(t, status, resp.StatusCode, "%s, %s: %s", name, path, body)
			require.Contains(t, string(body), `"datasource.options.auth.token"`, name)
			require.Contains(t, string(body), c.says, name)
			require.NotContains(t, string(body), "c4n4ry")
		}
		resp, _, err := p.call("POST", "/sync/a/run?method=validate&wait=true", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		require.NotContains(t, p.stderr.String(), "c4n4ry")
	}
	require.Nil(t, got.Load(), "nothing was sent")

	p := start(t, options{env: append([]string{"CONFIG=" + service("s", "p")}, secrets...)})
	p.define(t, definition("mine", "env:HEADGATE_SECRET_MINE"))
	_, body, err := p.call("POST", "/sync/mine/run?method=validate&wait=true", "")
	require.NoError(t, err)
	require.NotContains(t, string(body), "c4n4ry")
	require.Contains(t, *got.Load(), "Bearer m1ne-c4n4ry", "what is for definitions is sent")
	_, body, err = p.call("GET", "/sync/mine", "")
	require.NoError(t, err)
	require.True(t, strings.Contains(string(body), "env:HEADGATE_SECRET_MINE"), "a reference is shown: %s", body)
}

package functions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Each known fault of Fluid's example that concerns the echo, by name.
func TestFluidFaults(t *testing.T) {
	t.Parallel()
	t.Run("the echo's success never answered", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		require.Equal(t, "ok", f.do("POST", "/echo-external-data-webhook", `{"data":`+newTasks+`}`).str("status"))
	})
	t.Run("a failed registration counted as done", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		f.source.SetFaults(mock.Faults{mock.Rate500: {Next: 1}})
		session := strings.Replace(session, "task-list-1", "task-list-2", 1) // a list for which no start registers
		a := f.do("POST", "/register-session-url", session)
		require.Equal(t, 503, a.status)
		require.Empty(t, f.source.Hooks("task-list-2"))
		require.Equal(t, 200, f.do("POST", "/register-session-url", session).status)
		require.Len(t, f.source.Hooks("task-list-2"), 1)
	})
	t.Run("unregister upstream used a wrong field, so subscriptions leaked; ids with _ broke the session key", func(t *testing.T) {
		t.Parallel()
		f := newFluid(t, "")
		for _, s := range [][2]string{{"a_b", "c"}, {"a", "b_c"}} {
			require.Equal(t, 200, f.do("POST", "/register-session-url", `{"tenantId":"`+s[0]+`","documentId":"`+s[1]+`","externalTaskListId":"list_1"}`).status)
		}
		require.Len(t, f.source.Hooks("list_1"), 1)
		f.do("POST", "/events-listener", `{"type":"session-end","tenantId":"a_b","documentId":"c"}`)
		require.Len(t, f.source.Hooks("list_1"), 1, "the other session still has the list open")
		f.do("POST", "/events-listener", `{"type":"session-end","tenantId":"a","documentId":"b_c"}`)
		require.Empty(t, f.source.Hooks("list_1"))
	})
	t.Run("no authentication", func(t *testing.T) {
		t.Parallel()
		secret := signature.NewSecret()
		f := newFluid(t, `,"secrets":["`+secret+`"]`)
		body := `{"data":` + newTasks + `}`
		a := f.do("POST", "/echo-external-data-webhook", body)
		require.Equal(t, 401, a.status)
		h, err := signature.Sign(secret, "msg_1", f.clock(), []byte(body))
		require.NoError(t, err)
		var headers []string
		for k := range h {
			headers = append(headers, k, h.Get(k))
		}
		require.Equal(t, false, f.do("POST", "/echo-external-data-webhook", body, headers...).json["duplicate"])
		require.Equal(t, true, f.do("POST", "/echo-external-data-webhook", body, headers...).json["duplicate"])
		require.Equal(t, 401, f.do("POST", "/echo-external-data-webhook", strings.Replace(body, "7", "8", 1), headers...).status)
		require.NotContains(t, string(f.do("GET", "/config", "").raw), secret)
	})
}

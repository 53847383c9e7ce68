package echo_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/echo"
)

// What a list has is passed on as it is, and grows no larger than a document may be.
func TestTextIsNotEscaped(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		w.register(r, "l")
		data := `{"12":{"name":"` + strings.Repeat("<&>", 160<<10) + `","priority":1}}`
		w.receive("l", "", data)
		require.Equal(t, 1, w.sweep(w.svc))
		require.Equal(t, `{"data":`+data+`,"externalTaskListId":"l","version":1}`, string(r.calls()[0].body))
	})
}

func TestTasksAreUTF8(t *testing.T) {
	t.Parallel()
	_, err := echo.CheckTasks([]byte("{\"data\":{\"1\":{\"name\":\"\xff\",\"priority\":1}}}"), "data")
	require.ErrorContains(t, err, "UTF-8")
}

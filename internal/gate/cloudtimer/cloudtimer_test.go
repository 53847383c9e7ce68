package cloudtimer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/cloudtimer"
	"github.com/headgate/headgate/internal/gate/cloudtimer/tasktest"
)

const queue = "projects/p-1/locations/europe-west1/queues/windows"

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, on string, account string) (*cloudtimer.Timer, *tasktest.Server) {
	fake := tasktest.New(t, queue, func() time.Time { return noon })
	timer, err := cloudtimer.Open(t.Context(), cloudtimer.Options{Queue: on, URL: "https://check.example.com", ServiceAccount: account},
		option.WithEndpoint(fake.URL), option.WithHTTPClient(fake.Client()))
	require.NoError(t, err)
	return timer, fake
}

func call(name string) gate.TimedCall {
	return gate.TimedCall{Name: name, At: noon.Add(time.Hour), Path: "/services/s/check?key=17", All: "/services/s/check"}
}

func TestSetCreatesATask(t *testing.T) {
	t.Parallel()
	timer, fake := open(t, queue, "timer@p-1.iam.gserviceaccount.com")
	require.NoError(t, timer.Set(t.Context(), call("ab12")))
	tasks := fake.Waiting()
	require.Len(t, tasks, 1)
	require.Equal(t, queue+"/tasks/ab12", tasks[0].Name)
	require.Equal(t, noon.Add(time.Hour), tasks[0].At())
	require.Equal(t, "https://check.example.com/services/s/check?key=17", tasks[0].HTTPRequest.URL)
	require.Equal(t, "https://check.example.com", tasks[0].HTTPRequest.OIDCToken.Audience)
	require.Equal(t, "timer@p-1.iam.gserviceaccount.com", tasks[0].HTTPRequest.OIDCToken.ServiceAccountEmail)

	require.NoError(t, timer.Set(t.Context(), call("ab12")), "it is there already")
	require.Len(t, fake.Waiting(), 1)
}

func TestSetWithoutAnAccountSendsNoToken(t *testing.T) {
	t.Parallel()
	timer, fake := open(t, queue, "")
	require.NoError(t, timer.Set(t.Context(), call("ab12")))
	require.Nil(t, fake.Waiting()[0].HTTPRequest.OIDCToken)
}

// A long key does not fit into a task's URL. Then the task checks whatever is due.
func TestSetWithALongKeyChecksAllKeys(t *testing.T) {
	t.Parallel()
	timer, fake := open(t, queue, "")
	c := call("ab12")
	c.Path += strings.Repeat("%C3%A9", 500)
	require.NoError(t, timer.Set(t.Context(), c))
	require.Equal(t, "https://check.example.com/services/s/check", fake.Waiting()[0].HTTPRequest.URL)
}

func TestSetFails(t *testing.T) {
	t.Parallel()
	timer, fake := open(t, queue, "")
	fake.Away(true)
	require.ErrorContains(t, timer.Set(t.Context(), call("ab12")), "503")
	other, _ := open(t, queue+"2", "")
	require.ErrorContains(t, other.Set(t.Context(), call("ab12")), "Queue does not exist")
}

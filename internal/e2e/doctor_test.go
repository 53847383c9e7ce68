package e2e_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/stretchr/testify/require"
)

// finding is one of a report.
type finding struct{ Code, State, Text, Fix string }

// examine runs headgate doctor and returns its findings. An exit status of 1 says that there
// are errors.
func examine(t *testing.T, env []string, args ...string) (found []finding, failed bool) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"doctor", "--json"}, args...)...)
	cmd.Env, cmd.Dir = environment(env), t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", out)
	}
	var report struct {
		State    string
		Findings []finding
	}
	require.NoError(t, json.Unmarshal(out, &report), "%s", out)
	require.Equal(t, report.State == "error", err != nil)
	return report.Findings, err != nil
}

func of(found []finding, code string) (some []finding) {
	for _, f := range found {
		if f.Code == code {
			some = append(some, f)
		}
	}
	return some
}

// A topic that is deleted is named, with the command that creates it, by the
// service and from a laptop. The rest is examined whole.
func TestDoctorNamesADeletedTopic(t *testing.T) {
	t.Parallel()
	slow(t)
	env, pubsubHost, project := emulated(t)
	p := start(t, options{env: env})
	places := map[string]func() ([]finding, bool){
		"service": func() ([]finding, bool) { return examine(t, nil, "--url", p.base) },
		"laptop":  func() ([]finding, bool) { return examine(t, env) },
	}
	for name, look := range places {
		found, _ := look()
		require.Empty(t, of(found, "topic.missing"), name)
		require.Equal(t, "ok", of(found, "store.writable")[0].State, name)
		require.Equal(t, "ok", of(found, "clock.skew")[0].State, name)
		require.Equal(t, []finding{{"firestore.policies", "notChecked", "not checked: TTL policies and exemptions: not on an emulator", ""}}, of(found, "firestore.policies"), name)
	}
	admin := dialPubSub(t, pubsubHost, project)
	require.NoError(t, admin.TopicAdminClient.DeleteTopic(t.Context(), &pubsubpb.DeleteTopicRequest{Topic: topicOf(project)}))
	id := topicOf(project)[strings.LastIndex(topicOf(project), "/")+1:]
	for name, look := range places {
		eventually(t, name, func() error {
			found, failed := look()
			missing := of(found, "topic.missing")
			if !failed || len(missing) != 1 {
				return fmt.Errorf("%v", found)
			}
			require.Contains(t, missing[0].Text, "the topic "+topicOf(project)+" does not exist")
			require.True(t, strings.HasSuffix(missing[0].Fix, "gcloud pubsub topics create "+id+" --project="+project), missing[0].Fix)
			return nil
		})
	}
	require.Error(t, p.expect(200, "GET", "/readyz"), "an examination creates no topic")
}

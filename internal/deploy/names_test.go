package deploy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/deploy/deploytest"
)

// service returns a service that publishes to the topic, with the fields.
func service(name, topic, fields string) string {
	return `{"serviceName": "` + name + `", "trigger": {"type": "window", "observationPeriod": 60}, "targetPubSub": {"topic": "` + topic + `"}, "endpoints": [{"eventKey": "a"}]` + fields + `}`
}

// However long and alike the names of topics are, each that is planned has a consumer, and each
// that starts a sync has a push, under names that Pub/Sub takes.
func TestEverySubscriptionIsPlanned(t *testing.T) {
	t.Parallel()
	long := "projects/acme-data/topics/" + strings.Repeat("x", 253)
	const onMessage = `, "onMessage": {"sync": "s"}`
	p := deploytest.Plan(t, parse(t, `{"services": [`+strings.Join([]string{
		service("a", long+"1", ""), service("b", long+"2", ""), service("c", long[:len(long)-9], ""),
		service("d", "projects/acme-data/topics/loads", onMessage), service("e", "projects/acme-other/topics/loads", onMessage),
		service("f", "projects/acme-data/topics/loads-consumer", onMessage), service("g", "projects/acme-data/topics/headgate-sync-loads", ""),
		service("h", "projects/acme-data/topics/loads", onMessage),
	}, ",")+`]}`), deploy.Options{})
	consumers, pushes := map[string]bool{}, map[deploy.Resource]bool{}
	names := map[string]bool{}
	for _, s := range p.Subscriptions {
		require.Regexp(t, `^[A-Za-z][A-Za-z0-9_.~+%-]{2,254}$`, s.Name)
		require.False(t, names[s.Name], "%s is used twice", s.Name)
		names[s.Name] = true
		if s.Push != nil {
			require.False(t, pushes[s.Topic], "the messages of %s arrive twice", s.Topic)
			pushes[s.Topic] = true
		} else {
			consumers[s.Topic.Name] = true
		}
		if s.DeadLetter {
			require.Contains(t, p.Grants, deploy.Grant{Kind: deploy.OnSubscription, On: deploy.Resource{Name: s.Name}, Role: "roles/pubsub.subscriber", To: deploy.PubSubAgent})
		}
	}
	for _, topic := range p.Topics {
		require.True(t, consumers[topic], "nobody can consume %s", topic)
	}
	require.Equal(t, map[deploy.Resource]bool{{Name: "loads"}: true, {Project: "acme-other", Name: "loads"}: true, {Name: "loads-consumer"}: true}, pushes)
}

// Names that gcloud would take for flags, that are too long, or that the plan needs for itself
// are refused, and the refusal names them.
func TestNamesThatNoPlanCanHave(t *testing.T) {
	t.Parallel()
	const topic = "projects/acme-data/topics/loads"
	for want, fields := range map[string]string{
		`the name "--log-http" begins with a dash: gcloud would take it for a flag`:                 `, "timers": {"queue": "projects/acme-data/locations/eu/queues/--log-http"}`,
		`the name "--x" begins with a dash: gcloud would take it for a flag`:                        `, "timers": {"queue": "projects/acme-other/locations/--x/queues/q"}`,
		`the name "--flags-file=x@example.com" begins with a dash: gcloud would take it for a flag`: `, "timers": {"queue": "projects/acme-data/locations/eu/queues/q", "serviceAccount": "--flags-file=x@example.com"}`,
		"projects/acme-data/topics/headgate-undelivered cannot be a topic of the configuration: it gets the messages that subscriptions gave up": `,
			"targets": [{"name": "t", "pubsub": {"topic": "projects/acme-data/topics/headgate-undelivered"}}]`,
	} {
		text := strings.Replace(service("a", topic, fields), `"timers": {`, `"timers": {"url": "https://gate.example.com", `, 1)
		if strings.Contains(text, `"timers"`) { // they close windows that end
			text = strings.Replace(text, `"observationPeriod": 60`, `"observationPeriod": 60, "window": "anchored"`, 1)
		}
		_, err := deploy.New(parse(t, text), deploy.Options{})
		require.EqualError(t, err, want)
	}
	const hook = `{"hooks": [{"name": "h", "verify": {"type": "bearer", "secrets": ["%"]}, "entity": "'a'", "id": "'b'", "signal": true}]}`
	o := deploy.Options{Project: "acme-data"}
	longest := "A" + strings.Repeat("b", 255-len(deploy.SecretOf("A")))
	p, err := deploy.New(parse(t, strings.Replace(hook, "%", "env:"+longest, 1)), o)
	require.NoError(t, err)
	require.Len(t, p.Secrets[1].ID, 255)
	_, err = deploy.New(parse(t, strings.Replace(hook, "%", "env:"+longest+"b", 1)), o)
	require.ErrorContains(t, err, "must be at most 242 characters, because the name of its secret has 255 at most")
	_, err = deploy.New(parse(t, strings.Replace(hook, "%", "sm://projects/acme-data/secrets/--log-http", 1)), o)
	require.EqualError(t, err, `the name "--log-http" begins with a dash: gcloud would take it for a flag`)
}

package terraform

import (
	"encoding/json"
	"flag"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/deploy/deploytest"
)

// facts are resources and arguments in the documentation of the google provider.
type facts struct {
	Resources, Data map[string]struct {
		Arguments  arguments
		Attributes []string
	}
}

// arguments are those of a resource or a block, by their names.
type arguments map[string]*struct {
	Required bool
	Block    arguments
}

// meta are the arguments that every resource has.
var meta = []string{"depends_on", "lifecycle", "provider", "count", "for_each"}

func readFacts(t *testing.T) (f facts) {
	require.NoError(t, json.Unmarshal(deploytest.Read(t, "testdata/google.json"), &f))
	return f
}

var update = flag.Bool("update", false, "write the golden files")

// The module of each configuration is as expected. After a change, run this with -update.
func TestGolden(t *testing.T) {
	t.Parallel()
	deploytest.Golden(t, *update, ".tf.json", Write)
}

// Every resource and argument is one that the provider has, none that it requires is
// missing, and what a resource refers to is in the module.
func TestModulesAreAsDocumented(t *testing.T) {
	t.Parallel()
	f := readFacts(t)
	for name, p := range deploytest.Plans(t) {
		text := Write(p)
		var file struct {
			Resource, Data map[string]map[string]map[string]any
			Variable       map[string]any
		}
		require.NoError(t, json.Unmarshal(text, &file), name)
		for kind, all := range file.Resource {
			fact, ok := f.Resources[kind]
			require.True(t, ok, "%s: the provider has no %s", name, kind)
			for label, resource := range all {
				check(t, name+": "+kind+"."+label, fact.Arguments, resource, true)
			}
		}
		for kind, all := range file.Data {
			fact, ok := f.Data[kind]
			require.True(t, ok, "%s: the provider has no %s", name, kind)
			for label, data := range all {
				check(t, name+": data."+kind+"."+label, fact.Arguments, data, true)
			}
		}
		for _, reference := range regexp.MustCompile(`[^$]\$\{([^}]*)\}`).FindAllStringSubmatch(string(text), -1) {
			part := strings.Split(reference[1], ".")
			switch {
			case part[0] == "var":
				require.Contains(t, file.Variable, part[1], name)
			case part[0] == "data":
				require.Contains(t, file.Data[part[1]], part[2], "%s: %s", name, reference[1])
				require.Contains(t, f.Data[part[1]].Attributes, part[3], "%s: %s", name, reference[1])
			case strings.HasPrefix(part[0], "google_"):
				require.Contains(t, file.Resource[part[0]], part[1], "%s: %s", name, reference[1])
				fact := f.Resources[part[0]]
				require.True(t, fact.Arguments[part[2]] != nil || slices.Contains(fact.Attributes, part[2]), "%s: %s", name, reference[1])
			default: // of the module's directory
				require.Regexp(t, `^(parseint\(substr\(file\w+\(|file\()\\"\$\{path\.module$`, reference[1], name)
			}
		}
		checkOrder(t, name, file.Resource)
	}
}

// check compares a resource or a block with the facts.
func check(t *testing.T, at string, allowed arguments, got map[string]any, top bool) {
	for name, value := range got {
		if top && slices.Contains(meta, name) {
			continue
		}
		fact := allowed[name]
		require.NotNil(t, fact, "%s: the provider has no argument %s", at, name)
		if fact.Block == nil {
			continue
		}
		blocks, list := value.([]any)
		if !list {
			blocks = []any{value}
		}
		for _, b := range blocks {
			block, ok := b.(map[string]any)
			require.True(t, ok, "%s: %s is a block", at, name)
			check(t, at+"."+name, fact.Block, block, false)
		}
	}
	for name, fact := range allowed {
		if fact.Required {
			require.Contains(t, got, name, "%s: the provider requires it", at)
		}
	}
}

// checkOrder checks that depends_on names resources of the module, and that nothing waits
// for itself by way of others.
func checkOrder(t *testing.T, name string, resources map[string]map[string]map[string]any) {
	waits := map[string][]string{}
	for kind, all := range resources {
		for label, resource := range all {
			data, err := json.Marshal(resource)
			require.NoError(t, err)
			var on []string
			for _, m := range regexp.MustCompile(`\$\{(google_\w+\.[\w-]+)\.`).FindAllStringSubmatch(string(data), -1) {
				on = append(on, m[1])
			}
			list, _ := resource["depends_on"].([]any)
			for _, address := range list {
				on = append(on, address.(string))
			}
			waits[kind+"."+label] = on
		}
	}
	state := map[string]int{} // 1: being visited, 2: done
	var visit func(string)
	visit = func(address string) {
		require.NotEqual(t, 1, state[address], "%s: %s waits for itself", name, address)
		if state[address] == 2 {
			return
		}
		require.Contains(t, waits, address, name)
		state[address] = 1
		for _, next := range waits[address] {
			visit(next)
		}
		state[address] = 2
	}
	for address := range waits {
		visit(address)
	}
}

// Terraform evaluates no text of a plan that stands for a name.
func TestNamesAreLiteral(t *testing.T) {
	t.Parallel()
	const hostile = `a${file("config.json")}%{if true}b`
	all := deploy.Resource{Project: hostile, Location: hostile, Name: hostile}
	p := &deploy.Plan{
		Notes: []string{hostile},
		Jobs:  []deploy.Job{{Name: "j", Cron: hostile, TimeZone: hostile, Calls: deploy.Push{Service: "s", Path: hostile, Audience: hostile}}},
		Triggers: []deploy.Trigger{{
			Name: "t", Filters: []deploy.Filter{{Attribute: "a", Value: hostile}}, Calls: deploy.Push{Service: "s", Path: hostile},
		}},
		Subscriptions: []deploy.Subscription{{Name: "s", Topic: all}},
		Metrics:       []deploy.LogMetric{{Name: "m", Filter: hostile}},
	}
	for _, kind := range []deploy.Kind{
		deploy.OnProject, deploy.OnDatabase, deploy.OnTopic, deploy.OnSubscription, deploy.OnSecret, deploy.OnService, deploy.OnJob,
		deploy.OnQueue, deploy.OnBucket,
	} {
		p.Grants = append(p.Grants, deploy.Grant{Kind: kind, On: all, Role: "roles/x", To: hostile})
	}
	p.Grants = append(p.Grants, deploy.Grant{Kind: deploy.OnServiceAccount, On: deploy.Resource{Name: hostile + "@example.com"}, Role: "roles/x", To: hostile})
	text := string(Write(p))
	require.Contains(t, text, `a$${file(\"config.json\")}%%{if true}b`)
	require.NotRegexp(t, `[^$]\$\{file\(\\"config`, text)
	require.NotRegexp(t, `[^%]%\{`, text)
}

// Names that differ only in characters that a label cannot have are different resources, and
// what refers to one of them refers to that one.
func TestNamesThatMakeOneLabel(t *testing.T) {
	t.Parallel()
	p := &deploy.Plan{
		Topics: []string{"a_b", "a.b", "a~b", "a_b_2"}, // the last one looks like the label of another
		Queues: []deploy.Queue{{Location: "eu", Name: "q"}, {Location: "us", Name: "q"}},
	}
	for _, topic := range p.Topics {
		on := deploy.Resource{Name: topic}
		p.Subscriptions = append(p.Subscriptions, deploy.Subscription{Name: topic + "-consumer", Topic: on})
		p.Grants = append(p.Grants, deploy.Grant{Kind: deploy.OnTopic, On: on, Role: "roles/pubsub.publisher", To: deploy.Runtime},
			deploy.Grant{Kind: deploy.OnSubscription, On: deploy.Resource{Name: topic + "-consumer"}, Role: "roles/pubsub.subscriber", To: deploy.PubSubAgent})
	}
	for _, q := range p.Queues {
		p.Grants = append(p.Grants, deploy.Grant{Kind: deploy.OnQueue, On: deploy.Resource{Location: q.Location, Name: q.Name}, Role: "roles/cloudtasks.enqueuer", To: deploy.Runtime})
	}
	var file struct {
		Resource map[string]map[string]map[string]any
	}
	require.NoError(t, json.Unmarshal(Write(p), &file))
	// named returns what a reference names: the resource's location, if it has one, and its name.
	named := func(reference any) string {
		part := strings.Split(strings.Trim(reference.(string), "${}"), ".")
		r := file.Resource[part[0]][part[1]]
		location, _ := r["location"].(string)
		return location + r["name"].(string)
	}
	var topics, subscriptions, queues []string
	for _, s := range file.Resource["google_pubsub_subscription"] {
		require.Equal(t, s["name"], named(s["topic"])+"-consumer")
	}
	for _, g := range file.Resource["google_pubsub_topic_iam_member"] {
		topics = append(topics, named(g["topic"]))
	}
	for _, g := range file.Resource["google_pubsub_subscription_iam_member"] {
		subscriptions = append(subscriptions, named(g["subscription"]))
	}
	for _, g := range file.Resource["google_cloud_tasks_queue_iam_member"] {
		queues = append(queues, named(g["name"]))
		require.Equal(t, g["location"], strings.TrimSuffix(named(g["name"]), "q"))
	}
	require.ElementsMatch(t, p.Topics, topics)
	require.ElementsMatch(t, []string{"a_b-consumer", "a.b-consumer", "a~b-consumer", "a_b_2-consumer"}, subscriptions)
	require.ElementsMatch(t, []string{"euq", "usq"}, queues)
}

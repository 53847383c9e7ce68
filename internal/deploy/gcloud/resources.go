package gcloud

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/platform/shell"
)

// builder is the account that builds the image of the sources.
const builder = "headgate-builder"

func (s *script) accounts() {
	s.section("Accounts")
	all := []struct{ name, title string }{{deploy.Name, "Headgate"}, {deploy.Caller, "Callers of Headgate"}}
	if s.Image == "" {
		all = append(all, struct{ name, title string }{builder, "Builds Headgate"})
	}
	for _, a := range all {
		s.line("have gcloud iam service-accounts describe %s ||\n  gcloud iam service-accounts create %s --display-name=%s",
			s.Email(a.name), a.name, shell.Quote(a.title))
	}
	if s.Image == "" { // the default account may build nothing in many projects
		s.line("bind gcloud projects add-iam-policy-binding \"$project\" --condition=None --member=serviceAccount:%s --role=roles/run.builder", s.Email(builder))
	}
	if s.LiveRole {
		permissions := "--permissions=" + strings.Join(deploy.LivePermissions, ",")
		s.line("if have gcloud iam roles describe %s --project=\"$project\"; then", deploy.LiveRole)
		s.line("  gcloud iam roles update %s --project=\"$project\" %s", deploy.LiveRole, permissions)
		s.line("else\n  gcloud iam roles create %s --project=\"$project\" %s --title='Instances of Headgate that push changes'\nfi", deploy.LiveRole, permissions)
	}
}

func (s *script) database() {
	s.section("The database. The settings make it faster and cheaper")
	database := "--database=" + shell.Quote(s.Database)
	s.line("have gcloud firestore databases describe %s ||\n  gcloud firestore databases create %s --location=\"$region\" --delete-protection", database, database)
	for _, f := range s.Fields {
		if f.Exempt {
			s.line("gcloud firestore indexes fields update %s --collection-group=%s %s --async --disable-indexes", f.Name, f.Group, database)
		}
		if f.TTL {
			s.line("gcloud firestore fields ttls update %s --collection-group=%s %s --async --enable-ttl", f.Name, f.Group, database)
		}
	}
}

// topics makes the topics, and the subscriptions of consumers, who lose nothing from now on.
func (s *script) topics() {
	s.section("Topics, and the subscriptions of consumers")
	for _, t := range s.Topics {
		s.line("have gcloud pubsub topics describe %s || gcloud pubsub topics create %s", t, t)
	}
	s.line("number=$(gcloud projects describe \"$project\" --format='value(projectNumber)')")
	s.line("pubsub=service-$number@gcp-sa-pubsub.iam.gserviceaccount.com # Pub/Sub's own account\n")
	s.line("%s\n", put("subscription", "pubsub subscriptions", "", "--topic", ""))
	for _, sub := range s.Subscriptions {
		if sub.Push == nil {
			s.subscription(sub)
		}
	}
}

// pushes makes the subscriptions that call the services.
func (s *script) pushes() {
	for _, sub := range s.Subscriptions {
		if sub.Push != nil {
			s.subscription(sub)
		}
	}
}

func (s *script) subscription(sub deploy.Subscription) {
	topic := sub.Topic.Name
	if sub.Topic.Project != "" {
		topic = "projects/" + sub.Topic.Project + "/topics/" + sub.Topic.Name
	}
	all := []string{"subscription " + sub.Name + " " + shell.Quote(topic), "--expiration-period=never"}
	if sub.Push == nil {
		all = append(all, "--ack-deadline=60")
	} else {
		all = append(all, "--ack-deadline=600", "--push-endpoint="+address(*sub.Push),
			`--push-auth-service-account="$caller"`, "--push-auth-token-audience="+audience(*sub.Push))
	}
	if sub.DeadLetter {
		all = append(all, "--min-retry-delay=10s --max-retry-delay=600s", "--dead-letter-topic="+deploy.Undelivered+" --max-delivery-attempts=100")
	}
	s.command(all...)
	for _, g := range s.Grants {
		if g.Kind == deploy.OnSubscription && g.On.Name == sub.Name {
			s.grant(g)
		}
	}
}

// command writes a command, with its flags on lines of their own.
func (s *script) command(words ...string) { s.line("%s", strings.Join(words, " \\\n  ")) }

// put returns a function of bash that makes a thing, or updates it. It is called with a name,
// with what only create takes, and with the flags of both.
func put(function, things, verb, only, place string) string {
	return "# " + function + " NAME " + strings.ToUpper(strings.Trim(only+place, "-=")) + " FLAGS…\n" + function + `() {
  local name=$1 at=$2
  shift 2
  if have gcloud ` + things + ` describe "$name"` + of(place) + `; then
    gcloud ` + things + " update" + verb + ` "$name"` + of(place) + ` "$@"
  else
    gcloud ` + things + " create" + verb + ` "$name"` + of(place+only) + ` "$@"
  fi
}`
}

// of returns the flag with the second word of the function's call; "" without a flag.
func of(flag string) string {
	if flag == "" {
		return ""
	}
	return " " + flag + `="$at"`
}

// secretFunctions write a version of a secret if its value is new.
const secretFunctions = `# secret ID FILE
secret() {
  have gcloud secrets describe "$1" || gcloud secrets create "$1" --replication-policy=automatic
  if ! gcloud secrets versions access latest --secret="$1" 2>/dev/null | cmp -s - "$2"; then
    gcloud secrets versions add "$1" --data-file="$2"
  fi
}

# version ID prints the number of the latest version: an instance that starts later gets the
# same value.
version() {
  local name
  name=$(gcloud secrets versions describe latest --secret="$1" --format='value(name)')
  echo "${name##*/}"
}

# from_environment VARIABLE ID
from_environment() {
  if printenv "$1" >/dev/null; then
    printf %s "$(printenv "$1")" >"$scratch/secret"
    secret "$2" "$scratch/secret"
  elif ! have gcloud secrets versions describe latest --secret="$2"; then
    echo "set $1 in the environment: the configuration refers to env:$1, and the secret $2 has no value yet" >&2
    exit 1
  fi
}
`

func (s *script) secrets() {
	s.section("Secrets: the configuration, and what it calls env:NAME")
	s.line("%s", secretFunctions)
	for _, v := range s.Secrets {
		if v.Variable == "" {
			s.line("secret %s \"$config\"", v.ID)
		} else {
			s.line("from_environment %s %s", shell.Quote(v.Variable), v.ID)
		}
	}
}

func (s *script) queues() {
	if len(s.Queues) == 0 {
		return
	}
	s.section("Queues of tasks that close windows")
	s.line("%s\n", put("queue", "tasks queues", "", "", "--location"))
	for _, q := range s.Queues {
		s.line("queue %s %s --max-attempts=10 --min-backoff=1s", q.Name, q.Location)
	}
}

func (s *script) jobs() {
	s.section("Jobs of Cloud Scheduler")
	s.line("%s\n", put("job", "scheduler jobs", " http", "", "--location"))
	for _, j := range s.Jobs {
		limits := fmt.Sprintf("--attempt-deadline=%ds", j.Deadline)
		if j.Retries > 0 {
			limits += fmt.Sprintf(" --max-retry-attempts=%d --min-backoff=10s", j.Retries)
		}
		s.command(
			"job "+j.Name+` "$region" --schedule=`+shell.Quote(j.Cron)+" --time-zone="+shell.Quote(j.TimeZone), "--http-method=post --uri="+address(j.Calls),
			limits, `--oidc-service-account-email="$caller" --oidc-token-audience=`+audience(j.Calls))
	}
}

func (s *script) triggers() {
	if len(s.Triggers) == 0 {
		return
	}
	s.section("Triggers of Eventarc")
	s.line("%s\n", put("trigger", "eventarc triggers", "", "", "--location"))
	for _, t := range s.Triggers {
		all := []string{"trigger " + t.Name + " " + t.Location + ` --service-account="$caller"`}
		for _, f := range t.Filters {
			all = append(all, "--event-filters="+shell.Quote(f.Attribute+"="+f.Value))
		}
		s.command(append(all, "--destination-run-service="+t.Calls.Service+` --destination-run-region="$region"`, "--destination-run-path="+shell.Quote(t.Calls.Path))...)
	}
}

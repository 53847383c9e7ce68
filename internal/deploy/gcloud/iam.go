package gcloud

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/platform/shell"
)

// member returns a word of bash with who gets a role.
func member(to deploy.Member) string {
	switch to {
	case deploy.Runtime:
		return `"serviceAccount:$runtime"`
	case deploy.Calls:
		return `"serviceAccount:$caller"`
	case deploy.PubSubAgent:
		return `"serviceAccount:$pubsub"`
	case deploy.StorageAgent:
		return `"serviceAccount:$(gcloud storage service-agent)"`
	}
	return shell.Quote("serviceAccount:" + string(to))
}

// grant writes the command that grants a role, which may be repeated.
func (s *script) grant(g deploy.Grant) {
	role := shell.Quote(g.Role)
	if g.Role == deploy.LiveRole {
		role = `"projects/$project/roles/` + deploy.LiveRole + `"`
	}
	s.line("bind %s --member=%s --role=%s", s.on(g), member(g.To), role)
}

// on returns the command that grants roles on a thing.
func (s *script) on(g deploy.Grant) string {
	project, elsewhere := `"$project"`, ""
	if g.On.Project != "" {
		project, elsewhere = shell.Quote(g.On.Project), " --project="+shell.Quote(g.On.Project)
	}
	name, location := shell.Quote(g.On.Name), shell.Quote(g.On.Location)
	switch g.Kind {
	case deploy.OnDatabase:
		condition := fmt.Sprintf("expression=resource.name==%q,title=headgate-database", "projects/"+s.Project+"/databases/"+g.On.Name)
		return "gcloud projects add-iam-policy-binding " + project + " --condition=" + shell.Quote(condition)
	case deploy.OnTopic:
		return "gcloud pubsub topics add-iam-policy-binding " + name + elsewhere
	case deploy.OnSubscription:
		return "gcloud pubsub subscriptions add-iam-policy-binding " + name
	case deploy.OnSecret:
		return "gcloud secrets add-iam-policy-binding " + name + elsewhere
	case deploy.OnService:
		return "gcloud run services add-iam-policy-binding " + name + " --region=" + location + elsewhere
	case deploy.OnJob:
		return "gcloud run jobs add-iam-policy-binding " + name + " --region=" + location + elsewhere
	case deploy.OnQueue:
		return "gcloud tasks queues add-iam-policy-binding " + name + " --location=" + location + elsewhere
	case deploy.OnServiceAccount:
		email := g.On.Name
		if !strings.Contains(email, "@") {
			email = s.Email(email)
		}
		return "gcloud iam service-accounts add-iam-policy-binding " + shell.Quote(email)
	case deploy.OnBucket:
		return "gcloud storage buckets add-iam-policy-binding " + shell.Quote("gs://"+g.On.Name)
	default:
		return "gcloud projects add-iam-policy-binding " + project + " --condition=None"
	}
}

package terraform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/deploy"
)

func (m *module) accounts() {
	m.add("google_service_account", deploy.Name, object{"account_id": deploy.Name, "display_name": "Headgate", "depends_on": needs("iam")})
	m.add("google_service_account", deploy.Caller, object{"account_id": deploy.Caller, "display_name": "Callers of Headgate", "depends_on": needs("iam")})
	if m.LiveRole {
		m.add("google_project_iam_custom_role", deploy.LiveRole, object{
			"role_id": deploy.LiveRole, "title": "Instances of Headgate that push changes",
			"permissions": deploy.LivePermissions, "depends_on": needs("iam"),
		})
	}
}

// member returns who gets a role.
func (m *module) member(to deploy.Member) string {
	switch to {
	case deploy.Runtime:
		return m.ref("google_service_account", deploy.Name, "member")
	case deploy.Calls:
		return m.ref("google_service_account", deploy.Caller, "member")
	case deploy.Everyone:
		return "allUsers"
	case deploy.PubSubAgent:
		m.data["google_project"] = object{"project": object{}}
		return "serviceAccount:service-${data.google_project.project.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
	case deploy.StorageAgent:
		m.data["google_storage_project_service_account"] = object{"storage": object{"depends_on": needs("storage")}}
		return "${data.google_storage_project_service_account.storage.member}"
	}
	return "serviceAccount:" + literal(string(to))
}

func (m *module) grants() {
	for _, g := range m.Grants {
		kind, arguments := m.on(g)
		arguments["role"], arguments["member"] = g.Role, m.member(g.To)
		if g.Role == deploy.LiveRole {
			arguments["role"] = m.ref("google_project_iam_custom_role", deploy.LiveRole, "name")
		}
		m.addAs(kind, grantKey(g), grantName(g), arguments)
	}
}

// grantKey tells a grant from all others.
func grantKey(g deploy.Grant) string { return fmt.Sprintf("%q", g) }

// grantName names the resource of a grant.
func grantName(g deploy.Grant) string {
	_, role, _ := strings.Cut(g.Role, "/")
	if role == "" {
		role = g.Role
	}
	parts := []string{string(g.To), role, g.On.Name}
	if g.Kind == deploy.OnProject {
		parts[2] = g.On.Project
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "_")
}

// on returns the resource that grants a role on a thing, and the arguments that name the thing.
func (m *module) on(g deploy.Grant) (kind string, arguments object) {
	on := deploy.Resource{Project: literal(g.On.Project), Location: literal(g.On.Location), Name: literal(g.On.Name)}
	elsewhere := func(o object) object {
		if on.Project != "" {
			o["project"] = on.Project
		}
		return o
	}
	project := on.Project
	if project == "" {
		project = m.Project
	}
	switch g.Kind {
	case deploy.OnDatabase:
		return "google_project_iam_member", object{"project": project, "condition": object{
			"title":      "headgate-database",
			"expression": fmt.Sprintf("resource.name==%q", "projects/"+project+"/databases/"+on.Name),
		}}
	case deploy.OnTopic:
		return "google_pubsub_topic_iam_member", object{"topic": m.topic(on)}
	case deploy.OnSubscription:
		return "google_pubsub_subscription_iam_member", object{"subscription": m.ref("google_pubsub_subscription", on.Name, "name")}
	case deploy.OnSecret:
		name := on.Name
		if slices.ContainsFunc(m.Secrets, func(s deploy.Secret) bool { return on.Project == "" && s.ID == on.Name }) {
			name = m.ref("google_secret_manager_secret", on.Name, "secret_id")
		}
		return "google_secret_manager_secret_iam_member", elsewhere(object{"secret_id": name})
	case deploy.OnService:
		name := on.Name
		if slices.ContainsFunc(m.Services, func(s deploy.Service) bool { return s.Name == on.Name }) {
			name = m.ref("google_cloud_run_v2_service", on.Name, "name")
		}
		return "google_cloud_run_v2_service_iam_member", elsewhere(object{"name": name, "location": on.Location})
	case deploy.OnJob:
		return "google_cloud_run_v2_job_iam_member", elsewhere(object{"name": on.Name, "location": on.Location})
	case deploy.OnQueue:
		name := on.Name
		if q := (deploy.Queue{Location: on.Location, Name: on.Name}); on.Project == "" && slices.Contains(m.Queues, q) {
			name = "${" + m.queue(q) + ".name}"
		}
		return "google_cloud_tasks_queue_iam_member", elsewhere(object{"name": name, "location": on.Location})
	case deploy.OnServiceAccount:
		return "google_service_account_iam_member", object{"service_account_id": m.accountID(on.Name)}
	case deploy.OnBucket:
		return "google_storage_bucket_iam_member", object{"bucket": on.Name}
	default:
		return "google_project_iam_member", object{"project": project}
	}
}

// accountID returns the name of an account as a thing.
func (m *module) accountID(name string) string {
	if email := name; strings.Contains(email, "@") {
		return "projects/-/serviceAccounts/" + email
	}
	return m.ref("google_service_account", name, "name")
}

// granted returns the addresses of all grants to the members.
func (m *module) granted(to ...deploy.Member) (addresses []string) {
	for _, g := range m.Grants {
		kind, _ := m.on(g)
		onOurs := slices.ContainsFunc(m.Services, func(s deploy.Service) bool { return g.Kind == deploy.OnService && s.Name == g.On.Name })
		if slices.Contains(to, g.To) && !onOurs {
			addresses = append(addresses, m.address(kind, grantKey(g), grantName(g)))
		}
	}
	return addresses
}

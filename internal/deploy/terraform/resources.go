package terraform

import (
	"fmt"

	"github.com/headgate/headgate/internal/deploy"
)

// database makes the database and its optimisations. Both outlive the module.
func (m *module) database() {
	m.add("google_firestore_database", deploy.Name, object{
		"name": m.Database, "location_id": m.Region, "type": "FIRESTORE_NATIVE",
		"delete_protection_state": "DELETE_PROTECTION_ENABLED", "depends_on": needs("firestore"),
	})
	for _, f := range m.Fields {
		field := object{"database": m.ref("google_firestore_database", deploy.Name, "name"), "collection": f.Group, "field": f.Name}
		if f.Exempt {
			field["index_config"] = object{}
		}
		if f.TTL {
			field["ttl_config"] = object{}
		}
		m.add("google_firestore_field", f.Group+"_"+f.Name, field)
	}
}

func (m *module) topics() {
	for _, t := range m.Topics {
		m.add("google_pubsub_topic", t, object{"name": t, "depends_on": needs("pubsub")})
	}
	for _, s := range m.Subscriptions {
		sub := object{
			"name": s.Name, "topic": m.topic(s.Topic), "expiration_policy": object{"ttl": ""}, "ack_deadline_seconds": 60,
		}
		if s.Push != nil {
			sub["ack_deadline_seconds"] = 600
			sub["push_config"] = object{"push_endpoint": m.url(*s.Push), "oidc_token": m.token(*s.Push)}
		}
		if s.DeadLetter {
			sub["retry_policy"] = object{"minimum_backoff": "10s", "maximum_backoff": "600s"}
			sub["dead_letter_policy"] = object{
				"dead_letter_topic": m.ref("google_pubsub_topic", deploy.Undelivered, "id"), "max_delivery_attempts": 100,
			}
		}
		m.add("google_pubsub_subscription", s.Name, sub)
	}
}

// topic returns the id of a topic.
func (m *module) topic(t deploy.Resource) string {
	if t.Project == "" {
		return m.ref("google_pubsub_topic", t.Name, "id")
	}
	return literal("projects/" + t.Project + "/topics/" + t.Name)
}

// url returns the address that is called.
func (m *module) url(p deploy.Push) string {
	return m.ref("google_cloud_run_v2_service", p.Service, "uri") + literal(p.Path)
}

// token returns the token with which it is called.
func (m *module) token(p deploy.Push) object {
	audience := literal(p.Audience)
	if audience == "" {
		audience = m.ref("google_cloud_run_v2_service", p.Service, "uri")
	}
	return object{"service_account_email": m.ref("google_service_account", deploy.Caller, "email"), "audience": audience}
}

// secrets makes the secrets, whose values are in no state: the configuration from config.json,
// and the others from variables.
func (m *module) secrets() {
	const file = `"${path.module}/config.json"`
	for _, s := range m.Secrets {
		m.add("google_secret_manager_secret", s.ID, object{"secret_id": s.ID, "replication": object{"auto": object{}}, "depends_on": needs("secretmanager")})
		version := object{"secret": m.ref("google_secret_manager_secret", s.ID, "id"), "deletion_policy": "ABANDON"} // earlier revisions keep theirs
		if s.Variable == "" {
			version["secret_data_wo"] = "${file(" + file + ")}"
			version["secret_data_wo_version"] = "${parseint(substr(filesha256(" + file + "), 0, 8), 16)}"
		} else {
			name := label("env_" + s.Variable)
			m.variables[name] = object{
				"type": "string", "sensitive": true, "ephemeral": true,
				"description": literal("The secret that the configuration calls env:" + s.Variable + "."),
			}
			m.variables["secrets_version"] = object{
				"type": "number", "default": 1, "description": "Raise it when the value of an env_ variable has changed.",
			}
			version["secret_data_wo"], version["secret_data_wo_version"] = "${var."+name+"}", "${var.secrets_version}"
		}
		m.add("google_secret_manager_secret_version", s.ID, version)
	}
}

// queue returns the address of a queue. Queues of two places may have one name.
func (m *module) queue(q deploy.Queue) string {
	return m.address("google_cloud_tasks_queue", q.Location+"/"+q.Name, q.Name)
}

func (m *module) queues() {
	for _, q := range m.Queues {
		m.addAs("google_cloud_tasks_queue", q.Location+"/"+q.Name, q.Name, object{
			"name": q.Name, "location": q.Location, "depends_on": needs("cloudtasks"),
			"retry_config": object{"max_attempts": 10, "min_backoff": "1s"},
		})
	}
}

func (m *module) jobs() {
	for _, j := range m.Jobs {
		job := object{
			"name": j.Name, "region": m.Region, "schedule": literal(j.Cron), "time_zone": literal(j.TimeZone),
			"attempt_deadline": fmt.Sprintf("%ds", j.Deadline), "depends_on": needs("cloudscheduler"),
			"http_target": object{"http_method": "POST", "uri": m.url(j.Calls), "oidc_token": m.token(j.Calls)},
		}
		if j.Retries > 0 {
			job["retry_config"] = object{"retry_count": j.Retries, "min_backoff_duration": "10s"}
		}
		m.add("google_cloud_scheduler_job", j.Name, job)
	}
}

func (m *module) triggers() {
	for _, t := range m.Triggers {
		var criteria []object
		for _, f := range t.Filters {
			criteria = append(criteria, object{"attribute": f.Attribute, "value": literal(f.Value)})
		}
		m.add("google_eventarc_trigger", t.Name, object{
			"name": t.Name, "location": t.Location, "matching_criteria": criteria,
			"destination": object{"cloud_run_service": object{
				"service": m.ref("google_cloud_run_v2_service", t.Calls.Service, "name"), "region": m.Region, "path": literal(t.Calls.Path),
			}},
			"service_account": m.ref("google_service_account", deploy.Caller, "email"),
			"depends_on":      append(needs("eventarc"), m.granted(deploy.Calls, deploy.StorageAgent)...),
		})
	}
}

package terraform

import (
	"fmt"
	"path"

	"github.com/headgate/headgate/internal/deploy"
)

// services makes the services. Each waits until its account may do what it does when it starts.
func (m *module) services() {
	image := object{"type": "string", "description": "The image, such as " + m.Region + "-docker.pkg.dev/" + m.Project + "/headgate/headgate:1."}
	if m.Image != "" {
		image["default"] = m.Image
	}
	m.variables["image"] = image
	for _, s := range m.Services {
		address := m.add("google_cloud_run_v2_service", s.Name, object{
			"name": s.Name, "location": m.Region, "deletion_protection": false,
			"template":   m.template(s),
			"depends_on": append(needs("run"), m.granted(deploy.Runtime)...),
		})
		m.outputs[label(s.Name+"_url")] = object{"value": "${" + address + ".uri}"}
	}
}

func (m *module) template(s deploy.Service) object {
	template := object{
		"service_account":                  m.ref("google_service_account", deploy.Name, "email"),
		"timeout":                          fmt.Sprintf("%ds", s.Timeout),
		"max_instance_request_concurrency": s.Concurrency,
		"scaling":                          object{"max_instance_count": s.MaxInstances},
		"containers": object{
			"image":         "${var.image}",
			"args":          s.Args(m.Plan),
			"env":           m.env(),
			"ports":         object{"container_port": 8080},
			"resources":     object{"limits": object{"cpu": "1", "memory": s.Memory}, "cpu_idle": !s.AlwaysCPU, "startup_cpu_boost": true},
			"volume_mounts": object{"name": "config", "mount_path": path.Dir(deploy.ConfigFile)},
			"startup_probe": object{
				"http_get": object{"path": "/readyz", "port": 8080}, "period_seconds": 2, "timeout_seconds": 2, "failure_threshold": 60,
			},
			"liveness_probe": object{
				"http_get": object{"path": "/healthz", "port": 8080}, "period_seconds": 60, "timeout_seconds": 10, "failure_threshold": 3,
			},
		},
	}
	if s.SessionAffinity {
		template["session_affinity"] = true
	}
	for _, secret := range m.Secrets {
		if secret.Variable != "" {
			continue
		}
		template["volumes"] = object{"name": "config", "secret": object{
			"secret": m.ref("google_secret_manager_secret", secret.ID, "secret_id"),
			"items":  object{"path": path.Base(deploy.ConfigFile), "version": m.ref("google_secret_manager_secret_version", secret.ID, "version")},
		}}
	}
	return template
}

// env returns the variables of the environment.
func (m *module) env() []object {
	env := []object{{"name": "CONFIG_FILE", "value": deploy.ConfigFile}, {"name": "GOOGLE_CLOUD_PROJECT", "value": m.Project}}
	for _, s := range m.Secrets {
		if s.Variable != "" {
			env = append(env, object{"name": literal(s.Variable), "value_source": object{"secret_key_ref": object{
				"secret":  m.ref("google_secret_manager_secret", s.ID, "secret_id"),
				"version": m.ref("google_secret_manager_secret_version", s.ID, "version"),
			}}})
		}
	}
	return env
}

package gcloud

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/platform/shell"
)

// services deploys the services, and keeps their addresses in variables.
func (s *script) services() {
	s.section("Cloud Run")
	var secrets []string
	for _, v := range s.Secrets {
		at := v.Variable
		if at == "" {
			at = deploy.ConfigFile
		}
		secrets = append(secrets, fmt.Sprintf("%s=%s:$(version %s)", shell.InQuotes(at), v.ID, v.ID))
	}
	image := "--image=" + shell.Quote(s.Image)
	if s.Image == "" {
		source := s.Source
		if source == "" {
			source = "."
		}
		image = "--source=" + shell.Quote(source) + ` --build-service-account="projects/$project/serviceAccounts/` + s.Email(builder) + `"`
	}
	s.line("# deploy SERVICE FLAGS…\ndeploy() {\n  gcloud run deploy \"$@\" --region=\"$region\" \\\n    %s\n}", strings.Join([]string{
		image, `--service-account="$runtime"`,
		`--set-secrets="$secrets"`,
		"--set-env-vars=CONFIG_FILE=" + deploy.ConfigFile + `,GOOGLE_CLOUD_PROJECT="$project"`,
		"--port=8080 --cpu=1 --cpu-boost",
		"--startup-probe=httpGet.path=/readyz,httpGet.port=8080,periodSeconds=2,timeoutSeconds=2,failureThreshold=60",
		"--liveness-probe=httpGet.path=/healthz,httpGet.port=8080,periodSeconds=60,timeoutSeconds=10,failureThreshold=3",
	}, " \\\n    "))
	s.line("secrets=\"%s\"", strings.Join(secrets, ","))
	for _, v := range s.Services {
		s.line("deploy %s %s", v.Name, serviceFlags(s.Plan, v))
	}
	for _, v := range s.Services {
		s.line("%s=$(url %s)", variable(v.Name), v.Name)
	}
}

// serviceFlags are those that differ from service to service.
func serviceFlags(p *deploy.Plan, v deploy.Service) string {
	all := append([]string{"--args=" + shell.Quote(strings.Join(v.Args(p), ","))}, v.Flags()...)
	if !v.SessionAffinity { // a flag that is not given would leave it as it was
		all = append(all, "--no-session-affinity")
	}
	for _, f := range []struct {
		name string
		on   bool
	}{{"cpu-throttling", !v.AlwaysCPU}, {"allow-unauthenticated", v.Public}} {
		if f.on {
			all = append(all, "--"+f.name)
		} else {
			all = append(all, "--no-"+f.name)
		}
	}
	return strings.Join(all, " ")
}

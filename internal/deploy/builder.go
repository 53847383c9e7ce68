package deploy

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/credential"
)

// builder adds to a plan what each part of a configuration needs.
type builder struct {
	*Plan
	cfg     *config.Config
	refused []error // what the configuration names and a plan cannot have
}

type draft = config.Draft

// Roles that are granted in more than one place.
const (
	publisher  = "roles/pubsub.publisher"
	subscriber = "roles/pubsub.subscriber"
	invoker    = "roles/run.invoker"
	accessor   = "roles/secretmanager.secretAccessor"
	actAs      = "roles/iam.serviceAccountUser"
	enqueuer   = "roles/cloudtasks.enqueuer"
)

// everyMinute is the schedule of the jobs that do periodic work.
const everyMinute = "* * * * *"

func (b *builder) apis(names ...string) {
	for _, name := range names {
		if !slices.Contains(b.APIs, name) {
			b.APIs = append(b.APIs, name)
		}
	}
}

func (b *builder) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.Notes, text) {
		b.Notes = append(b.Notes, text)
	}
}

// grant grants a role once.
func (b *builder) grant(kind Kind, on Resource, role string, to Member) {
	g := Grant{Kind: kind, On: b.here(on), Role: role, To: to}
	if !slices.Contains(b.Grants, g) {
		b.Grants = append(b.Grants, g)
	}
}

// here leaves out the name of this project.
func (b *builder) here(r Resource) Resource {
	if r.Project == b.Project {
		r.Project = ""
	}
	return r
}

// database plans the optimisations of Firestore, and the right to read and write documents.
func (b *builder) database() {
	for _, group := range []string{"headgate-events", "headgate-messages", "headgate-docs", "headgate-parts"} {
		often := group == "headgate-events" || group == "headgate-messages"
		b.Fields = append(b.Fields,
			Field{Group: group, Name: "data", Exempt: true},
			Field{Group: group, Name: "expireAt", Exempt: often, TTL: true})
	}
	b.grant(OnDatabase, Resource{Name: b.Database}, "roles/datastore.user", Runtime)
}

// variable is a name that a variable has in every shell. Names of other characters could
// become the name of one secret.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// longestVariable is the longest name whose secret has a name that Secret Manager takes.
const longestVariable = 255 - len(Name+"-env-")

// variables returns the NAMEs of the configuration's env:NAME, each once.
func (b *builder) variables() (names []string) {
	for _, ref := range b.references() {
		if name, ok := strings.CutPrefix(ref, "env:"); ok {
			names = append(names, name)
		}
	}
	return names
}

// taken are the variables that mean something else in a process on Cloud Run, or in the shell
// that runs the script, each with the reason. A secret under such a name would be taken for a
// port, say, or not be set at all, and the script would store the person's PATH as a secret.
var taken = map[string]string{
	"PORT": platform, "K_SERVICE": platform, "K_REVISION": platform, "K_CONFIGURATION": platform,
	"CONFIG": setting, "CONFIG_FILE": setting, "GOOGLE_CLOUD_PROJECT": setting, "PROJECT_ID": setting, "projectID": setting,
	"FIRESTORE_DATABASE": setting, "FIRESTORE_EMULATOR_HOST": setting, "PUBSUB_EMULATOR_HOST": setting, "STORAGE_EMULATOR_HOST": setting,
	"ASYNC_EVENT_TRIGGER": setting, "DISABLE_CORS": setting, "GOOGLE_APPLICATION_CREDENTIALS": setting, "FUNCTION_TARGET": setting,
	"GOMEMLIMIT": setting, "GOGC": setting, "HEADGATE_LOG_LEVEL": setting, "HEADGATE_LOG_FORMAT": setting, "NO_COLOR": setting, "TERM": setting,

	"_": system, "ENV": system, "HOME": system, "HOSTNAME": system, "IFS": system, "LANG": system, "LOGNAME": system, "OLDPWD": system,
	"PATH": system, "PS4": system, "PWD": system, "SHELL": system, "SHLVL": system, "TMPDIR": system, "TZ": system, "USER": system,
	"ALL_PROXY": system, "HTTP_PROXY": system, "HTTPS_PROXY": system, "NO_PROXY": system, "REQUEST_METHOD": system,
	"HOSTALIASES": system, "LOCALDOMAIN": system, "RES_OPTIONS": system, "SSL_CERT_DIR": system, "SSL_CERT_FILE": system,
	"GODEBUG": system, "GOMAXPROCS": system, "GOTRACEBACK": system, "ZONEINFO": system, "SQLITE_TMPDIR": system,
	"GCLOUD_PROJECT": system, "GOOGLE_API_CERTIFICATE_CONFIG": system, "GOOGLE_AUTH_TRUST_BOUNDARY_ENABLED": system,
	"GOOGLE_CLOUD_QUOTA_PROJECT": system, "GOOGLE_CLOUD_UNIVERSE_DOMAIN": system, "GOOGLE_SDK_GO_LOGGING_LEVEL": system,
}

// takenPrefixes begin the names of more such variables.
var takenPrefixes = []struct{ prefix, by string }{
	{"X_GOOGLE_", platform}, {"CLOUD_RUN_", platform}, {"OTEL_", setting},
	{"BASH_", system}, {"LD_", system}, {"GLIBC_", system}, {"MALLOC_", system}, {"LC_", system}, {"CLOUDSDK_", system}, {"GRPC_", system},
	{"GCE_METADATA_", system}, {"GOOGLE_API_USE_", system}, {"GOOGLE_EXTERNAL_ACCOUNT_", system},
}

const (
	platform = "Cloud Run sets it"
	setting  = "Headgate reads it as a setting"
	system   = "the system, a shell or a library uses it"
)

// takenBy returns the reason why a variable cannot have a secret, or "". Some are read in
// small letters as well, such as http_proxy.
func takenBy(name string) string {
	if by := cmp.Or(taken[name], taken[strings.ToUpper(name)]); by != "" {
		return by
	}
	for _, p := range takenPrefixes {
		if strings.HasPrefix(name, p.prefix) {
			return p.by
		}
	}
	return ""
}

// checkVariables lists each place whose env:NAME cannot be a variable of a service.
func (b *builder) checkVariables() error {
	var errs []error
	for _, r := range b.cfg.References() {
		name, ok := strings.CutPrefix(r.Ref, "env:")
		if !ok {
			continue
		}
		by := takenBy(name)
		switch {
		case !variable.MatchString(name):
			errs = append(errs, fmt.Errorf("%s: env:%s: a variable on Cloud Run must be letters, digits and _, and must not begin with a digit", r.Path, name))
		case len(name) > longestVariable:
			errs = append(errs, fmt.Errorf("%s: env:%s: must be at most %d characters, because the name of its secret has 255 at most", r.Path, name, longestVariable))
		case by != "":
			errs = append(errs, fmt.Errorf("%s: env:%s cannot have a secret, because %s: give the variable another name", r.Path, name, by))
		}
	}
	return errors.Join(errs...)
}

// secrets plans the secret of the configuration, one for each env:NAME in it, and the right to
// read those that it names in Secret Manager.
func (b *builder) secrets() {
	b.Secrets = []Secret{{ID: Name + "-config"}}
	for _, name := range b.variables() {
		b.Secrets = append(b.Secrets, Secret{ID: SecretOf(name), Variable: name})
	}
	for _, s := range b.Secrets {
		b.grant(OnSecret, Resource{Name: s.ID}, accessor, Runtime)
	}
	for _, ref := range b.references() {
		if name, ok := credential.Managed(ref); ok {
			part := strings.Split(name, "/") // projects/P/secrets/S/versions/V
			b.grant(OnSecret, Resource{Project: part[1], Name: part[3]}, accessor, Runtime)
			b.note("the secret %s must exist: the configuration refers to it", strings.Join(part[:4], "/"))
		}
	}
}

// SecretOf returns the id of the secret that holds the value of an environment variable.
func SecretOf(variable string) string { return Name + "-env-" + variable }

// references returns the configuration's references to credentials, sorted, each once.
func (b *builder) references() (all []string) {
	for _, r := range b.cfg.References() {
		all = append(all, r.Ref)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// callers lets the caller's account, or everybody, call each service.
func (b *builder) callers() {
	for _, s := range b.Services {
		to := Calls
		if s.Public {
			to = Everyone
		}
		b.grant(OnService, Resource{Location: b.Region, Name: s.Name}, invoker, to)
	}
	switch {
	case b.cfg.Auth == nil && (b.cfg.Live != nil || len(b.cfg.Hooks) > 0 || b.cfg.Echo != nil):
		b.note("only callers with the role %s reach Headgate: pages, and senders of webhooks outside Google Cloud, need auth in the configuration", invoker)
	case b.cfg.Auth != nil:
		b.note("IAM lets everybody call, because the configuration has auth, which decides instead")
		b.member()
	}
}

// member notes whether auth knows the account by which jobs and sources call.
func (b *builder) member() {
	account := b.Email(Caller)
	for _, role := range []string{"ingest", "operate"} {
		if o := b.cfg.Auth.OIDC; o == nil || !slices.ContainsFunc(o.Members, func(m config.Member) bool {
			return strings.EqualFold(m.Email, account) && slices.Contains(m.Roles, role)
		}) {
			b.note("auth.oidc.members must list %s with the role %q, or the calls of Scheduler, Pub/Sub and Eventarc are refused", account, role)
		}
	}
}

// Email returns the e-mail address of an account of this project.
func (p *Plan) Email(account string) string {
	project, domain, scoped := strings.Cut(p.Project, ":")
	if scoped { // example.com:project
		project, domain = domain, project
		return account + "@" + project + "." + domain + ".iam.gserviceaccount.com"
	}
	return account + "@" + p.Project + ".iam.gserviceaccount.com"
}

// path returns the path of the i-th service. The short paths are the first one's.
func (b *builder) path(i int, path string) string {
	if i == 0 {
		return path
	}
	return "/services/" + url.PathEscape(b.cfg.Services[i].ServiceName) + path
}

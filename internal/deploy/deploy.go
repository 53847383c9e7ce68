// Package deploy decides which resources of Google Cloud a configuration needs, and who may do
// what with them. The packages below write the same plan as a Terraform module and as a script.
//
// Invariants:
//
//   - A plan is a function of the configuration and the options. Nothing is read or called.
//   - Each account gets only the roles that the code needs, and each on the narrowest thing that
//     Google Cloud lets one grant it on.
//   - A topic, a queue or a secret of another project is used, and never created.
//   - No credential of the configuration is in a plan, but for references to some.
//
// On failure: New lists every option that is not valid, by the flag's name and with its rule,
// every place whose env:NAME cannot be a variable there, and every name that cannot be used.
// What a person must do by hand is no failure: the plan's Notes say it.
package deploy

import (
	"errors"

	"github.com/headgate/headgate/config"
)

// The names of what every deployment has.
const (
	Name        = "headgate"             // the service, the runtime's account, and what other names begin with
	Caller      = "headgate-caller"      // the account that calls Headgate
	Undelivered = "headgate-undelivered" // the topic of messages that a subscription gave up
	LiveRole    = "headgateLive"         // the custom role of instances that subscribe to live.topic
	ConfigFile  = "/etc/headgate/config.json"
)

// LivePermissions are the permissions of LiveRole: an instance makes a subscription of live.topic for
// itself, reads it, and deletes it.
var LivePermissions = []string{
	"pubsub.subscriptions.consume", "pubsub.subscriptions.create", "pubsub.subscriptions.delete", "pubsub.subscriptions.get",
	"pubsub.topics.attachSubscription",
}

// Plan lists the resources of a deployment.
type Plan struct {
	Options
	APIs          []string // that the project must have enabled
	Fields        []Field
	Topics        []string // names, in this project
	Subscriptions []Subscription
	LiveRole      bool // instances make and delete subscriptions of their own
	Secrets       []Secret
	Grants        []Grant
	Services      []Service
	Jobs          []Job
	Queues        []Queue
	Triggers      []Trigger
	Metrics       []LogMetric
	Alerts        []Alert
	Dashboard     string   // JSON
	Notes         []string // what a person must know or do, a sentence each
}

// Field is a field of a collection group of Firestore.
type Field struct {
	Group, Name string
	Exempt      bool // it has no index
	TTL         bool // Firestore deletes a document once this time has come
}

// Subscription is a subscription of this project.
type Subscription struct {
	Name  string
	Topic Resource
	Push  *Push // nil: consumers pull
	// DeadLetter: a message that was not taken for long goes to the topic Undelivered.
	DeadLetter bool
}

// Push is the address that a subscription or a job calls.
type Push struct {
	Service string // one of Plan.Services
	Path    string
	// Audience of the token; "": the service's URL.
	Audience string
}

// Secret is a secret of this project.
type Secret struct {
	ID string
	// Variable is the variable of the environment that has the secret in a process; "": the
	// secret is the configuration itself, which is a file there.
	Variable string
}

// Kind is the kind of a thing that roles are granted on.
type Kind string

// The kinds of things.
const (
	OnProject        Kind = "project"
	OnDatabase       Kind = "database" // a condition on the project's policy
	OnTopic          Kind = "topic"
	OnSubscription   Kind = "subscription"
	OnSecret         Kind = "secret"
	OnService        Kind = "service" // of Cloud Run
	OnJob            Kind = "job"     // of Cloud Run
	OnQueue          Kind = "queue"
	OnServiceAccount Kind = "account" // its name is the e-mail address, or one of Name and Caller
	OnBucket         Kind = "bucket"
)

// Resource names a thing.
type Resource struct {
	Project  string // "": this one
	Location string
	Name     string
}

// Member is one to whom a role is granted.
type Member string

// The members. Others are an e-mail address of an account.
const (
	Runtime      Member = "runtime" // the account that Headgate runs as
	Calls        Member = "caller"  // the account that calls it
	Everyone     Member = "everyone"
	PubSubAgent  Member = "pubsub"  // Pub/Sub's own account of this project
	StorageAgent Member = "storage" // Cloud Storage's own account of this project
)

// Grant is a role that a member has on a thing.
type Grant struct {
	Kind Kind
	On   Resource
	Role string
	To   Member
}

// Service is a service of Cloud Run.
type Service struct {
	Name     string
	Function string // "": all of them
	Size
	AlwaysCPU bool // work continues after the answer
	Public    bool // IAM lets everybody call, and the configuration's auth decides
}

// Job is a job of Cloud Scheduler, which calls with POST.
type Job struct {
	Name, Cron, TimeZone string
	Calls                Push
	Deadline             int // seconds
	// Retries of a call that failed; 0: the next run makes up for it.
	Retries int
}

// Queue is a queue of Cloud Tasks in this project.
type Queue struct{ Location, Name string }

// Trigger is a trigger of Eventarc.
type Trigger struct {
	Name, Location string
	Filters        []Filter
	Calls          Push
}

// Filter is an attribute that events must have.
type Filter struct{ Attribute, Value string }

// New returns the plan for the configuration, or an error that lists everything that is not
// valid.
func New(cfg *config.Config, o Options) (*Plan, error) {
	o.fill(cfg)
	b := &builder{cfg: cfg, Plan: &Plan{Options: o}}
	if err := errors.Join(o.check(), b.checkVariables()); err != nil {
		return nil, err
	}
	b.apis("run.googleapis.com", "firestore.googleapis.com", "pubsub.googleapis.com", "secretmanager.googleapis.com", "cloudscheduler.googleapis.com", "iam.googleapis.com", "monitoring.googleapis.com", "logging.googleapis.com")
	b.services()
	b.database()
	b.secrets()
	b.topics()
	b.targets()
	b.timers()
	b.syncs()
	b.jobs()
	b.sources()
	b.callers()
	b.observe()
	if err := b.checkNames(); err != nil {
		return nil, err
	}
	return b.Plan, nil
}

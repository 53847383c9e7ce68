package doctor

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/shell"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/unused"
)

// Store has the methods of the store that the checks call, beside those of its documents.
type Store interface {
	Now(ctx context.Context) (now time.Time, ok bool, err error)
	Backlog(ctx context.Context, service string) (n int, oldest time.Time, err error)
	Claims(ctx context.Context, service string, page store.Page) ([]store.ClaimInfo, error)
	EventsBetween(ctx context.Context, service string, in store.Span, after *store.Cursor, limit int) ([]store.Stored, error)
}

// Source is a sync whose source can be looked at.
type Source struct {
	ID string
	// Abandoned says what to do about a sync that the configuration declared once and declares
	// no longer; "" for any other.
	Abandoned string
	// Reach returns what failed at the source, nothing if it could be read.
	Reach func(ctx context.Context) (failures []string)
}

// Webhook is a registered URL.
type Webhook struct {
	ID, Where      string // Where is the URL without credentials
	Paused         bool
	Failures       int
	Waiting, First int64 // deliveries that wait, and the number of the first one
	LastError      string
	FailingSince   time.Time
}

// Alerts describes the latest alerts of a service.
type Alerts struct {
	// Waiting is the number of those that some receiver does not have.
	Waiting   int
	Oldest    time.Time
	LastError string
	// Overdue is the latest instant by which no complete message was published; zero: there is
	// none. Lacked says what was missing then.
	Overdue time.Time
	Lacked  string
}

// Advice says what is behind an error of a driver, and what corrects it.
type Advice func(err error) (sentence, fix string)

// Options name the parts of a deployment to examine. A nil function is a check that cannot
// be made.
type Options struct {
	Config *config.Config
	Place  Place
	Store  Store
	Docs   store.Docs
	// Topic returns nil if the bus answers and the topic exists; bus.ErrNoTopic.
	Topic func(ctx context.Context, topic string) error
	// Secret resolves a reference to a credential.
	Secret func(ctx context.Context, ref string) (string, error)
	// Sources returns the syncs, those that are declared as well.
	Sources func(ctx context.Context) ([]Source, error)
	// Webhooks returns the registered URLs.
	Webhooks func(ctx context.Context) ([]Webhook, error)
	// Unused returns the settings of the configuration that nothing uses.
	Unused func(ctx context.Context) ([]unused.Setting, error)
	// Alerts describes the latest alerts of a service.
	Alerts func(ctx context.Context, service string) (Alerts, error)
	// HookUsed reports whether a webhook with an id came to the hook lately.
	HookUsed func(ctx context.Context, hook string) (bool, error)
	// Connected reports whether signals of other instances arrive; nil: no clients are served.
	Connected func() bool
	// Now is the clock by which the deployment stores times.
	Now func() time.Time
	// Machine is this machine's clock, which may be wrong.
	Machine func() time.Time
	Random  func() string
}

// Examine makes all checks.
func Examine(ctx context.Context, o Options) Report {
	if o.Place.Headgate == nil {
		o.Place.Headgate = func(words ...string) string { return "headgate " + strings.Join(words, " ") }
	}
	e := &examination{o}
	checks := []Check{e.storeCheck(), e.clockCheck(), e.liveCheck()}
	for _, t := range e.topics() {
		checks = append(checks, e.topicCheck(t))
	}
	if e.Place.Firestore {
		checks = append(checks, e.policiesCheck())
	}
	for _, ref := range e.references() {
		checks = append(checks, e.secretCheck(ref))
	}
	if e.Place.StoreMissing == "" {
		checks = append(checks, e.storedChecks()...)
	}
	return Run(ctx, o.Now, append(checks, e.sourceChecks(ctx)...))
}

// storedChecks look at what the store has.
func (e *examination) storedChecks() []Check {
	checks := []Check{e.webhookCheck(), e.settingsCheck()}
	for _, beat := range e.beats() {
		checks = append(checks, e.beatCheck(beat))
	}
	for _, svc := range e.Config.Services {
		checks = append(checks, e.messagesCheck(svc), e.silentCheck(svc))
	}
	for _, h := range e.Config.Hooks {
		checks = append(checks, e.hookCheck(h))
	}
	return checks
}

type examination struct{ Options }

// curl returns the command line of a request to the deployment.
func (e *examination) curl(method, path string) string {
	line := "curl -X " + method
	switch {
	case e.Config.Auth != nil:
		line += ` -H "Authorization: Bearer ` + shell.Required("HEADGATE_TOKEN", "set it to a token with the role operate") + `"`
	case e.Place.Firestore && e.Place.FirestoreEmulator == "":
		line += ` -H "Authorization: Bearer $(gcloud auth print-identity-token)"`
	}
	return line + ` "` + e.base() + shell.InQuotes(path) + `"`
}

// base returns the address of the deployment, as a part of a word between double quotes.
func (e *examination) base() string {
	return cmp.Or(shell.InQuotes(strings.TrimSuffix(e.Place.URL, "/")), Address)
}

// project returns the flag that names the project to gcloud.
func (e *examination) project() string { return " --project=" + shell.Quote(e.Place.Project) }

// database returns the flags that name the database to gcloud.
func (e *examination) database() string {
	return " --database=" + shell.Quote(e.Place.Database) + e.project()
}

package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/shell"
)

// ErrEmulator means that an emulator does not answer such questions.
var ErrEmulator = errors.New("not on an emulator")

// ErrDenied means that these credentials may not ask.
var ErrDenied = errors.New("these credentials may not ask")

// Disabled means that the API is not enabled in the project.
type Disabled struct{ Service, Project string }

func (d *Disabled) Error() string {
	return fmt.Sprintf("%s is not enabled in the project %s", d.Service, d.Project)
}

// Fix returns the command that enables the API.
func (d *Disabled) Fix() string {
	return "gcloud services enable " + d.Service + " --project=" + shell.Quote(d.Project)
}

// SaysDisabled reports whether an error of a driver says that its API is not enabled.
func SaysDisabled(err error) bool {
	text := err.Error()
	return strings.Contains(text, "SERVICE_DISABLED") || strings.Contains(text, "has not been used in project")
}

// Google asks the administration of Google Cloud. A driver returns ErrEmulator, ErrDenied or
// a *Disabled where these say why it has no answer. All methods honour ctx and change
// nothing.
type Google interface {
	// Topic returns those of the permissions that the caller lacks on the topic.
	Topic(ctx context.Context, topic string, permissions ...string) (lacking []string, err error)
	// Project returns those of the permissions that the caller lacks in the whole project. A
	// grant with a condition on a resource does not count.
	Project(ctx context.Context, project string, permissions ...string) (lacking []string, err error)
	// Fields returns the settings of fields of the database that are not the default.
	Fields(ctx context.Context, project, database string) ([]Field, error)
	// Time returns Google's time, to the second.
	Time(ctx context.Context) (time.Time, error)
	// Member returns the caller as IAM names it: "serviceAccount:…". A shell that runs gcloud
	// may have to complete it.
	Member(ctx context.Context) string
}

// Field is the setting of a field in a collection group of Firestore.
type Field struct {
	Group, Path string
	TTL         string // ACTIVE, CREATING, NEEDS_REPAIR, or "" for none
	Indexed     bool   // some index has the field
}

// unasked returns the finding for a question that got no answer.
func unasked(code, what string, err error) Finding {
	if errors.Is(err, ErrEmulator) {
		return notChecked(code, "%s: not on an emulator", what)
	}
	f := notChecked(code, "%s: %s", what, oneLine(err))
	if d, ok := errors.AsType[*Disabled](err); ok {
		f.Fix = d.Fix()
	}
	return f
}

// expireAt is the field of TTL policies, and data the one that needs no index.
const expireAt, data = "expireAt", "data"

// policiesCheck looks for the TTL policies and the exemptions of the Firestore driver.
func (e *examination) policiesCheck() Check {
	const code, what = "firestore.policies", "TTL policies and exemptions"
	return Check{Name: "Firestore's administration", Code: code, Late: NotChecked, Do: func(ctx context.Context, found func(Finding)) {
		if e.Place.FirestoreEmulator != "" || e.Place.Google == nil {
			found(unasked(code, what, ErrEmulator))
			return
		}
		fields, err := e.Place.Google.Fields(ctx, e.Place.Project, e.Place.Database)
		if errors.Is(err, ErrDenied) {
			f := notChecked(code, "%s: these credentials may not list them", what)
			f.Fix = e.grant(ctx, "roles/datastore.viewer")
			found(f)
			return
		}
		if err != nil {
			found(unasked(code, what, err))
			return
		}
		for _, group := range e.Place.Groups {
			e.ttl(group, fieldOf(fields, group, expireAt), found)
			if d := fieldOf(fields, group, data); d == nil || d.Indexed {
				found(Finding{"firestore.exemption", Warning, fmt.Sprintf("the field data of %s is indexed: each write takes longer, and more is stored", group),
					"gcloud firestore indexes fields update data --collection-group=" + group + e.database() + " --async --disable-indexes"})
			} else {
				found(ok("firestore.exemption", "the field data of %s is exempt from indexes", group))
			}
		}
	}}
}

func fieldOf(fields []Field, group, path string) *Field {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Group == group && f.Path == path })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

func (e *examination) ttl(group string, f *Field, found func(Finding)) {
	const code = "firestore.ttl"
	fix := "gcloud firestore fields ttls update expireAt --collection-group=" + group + e.database() + " --async --enable-ttl"
	switch {
	case f != nil && f.TTL == "ACTIVE":
		found(ok(code, "the TTL policy of %s is active", group))
	case f != nil && f.TTL == "CREATING":
		found(Finding{code, Warning, fmt.Sprintf("the TTL policy of %s is being created, and deletes nothing yet", group),
			"gcloud firestore fields ttls list --collection-group=" + group + e.database()})
	case f != nil && !f.Indexed:
		found(Finding{"firestore.undeleted", Error, fmt.Sprintf("nothing deletes what has expired in %s: it has no active TTL policy, and expireAt has no index, which the sweep needs", group), fix})
	case f != nil && f.TTL != "":
		found(Finding{code, Warning, fmt.Sprintf("the TTL policy of %s is in the state %s: the sweep deletes in its place", group, f.TTL), fix})
	default:
		found(Finding{code, Warning, fmt.Sprintf("%s has no TTL policy: the sweep deletes what has expired, which takes longer and costs reads", group), fix})
	}
}

// grant returns the command that gives the caller a role in the project.
func (e *examination) grant(ctx context.Context, role string) string {
	return "gcloud projects add-iam-policy-binding " + shell.Quote(e.Place.Project) + ` --member="` + e.Place.Google.Member(ctx) + `" --role=` + role + " --condition=None"
}

// whose says whose permissions were asked for.
func (e *examination) whose() string {
	if e.Place.Serves {
		return "this service"
	}
	return "you"
}

func list(words []string) string { return strings.Join(words, ", ") }

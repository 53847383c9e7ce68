package launch

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"cloud.google.com/go/compute/metadata"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/doctor/googleprobe"
	"github.com/headgate/headgate/internal/platform/googletoken"
	"github.com/headgate/headgate/internal/platform/shell"
	"github.com/headgate/headgate/internal/store/firestorestore"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// place describes the platform and the drivers of this process to an examination.
func place(s Settings, cfg *config.Config) doctor.Place {
	p := doctor.Place{
		Serves: s.Serves, Background: s.Platform.BackgroundCPU() && !s.remote(),
		Firestore: s.Store == Firestore, PubSub: s.Bus == PubSub, Project: s.Project, Database: cmp.Or(s.Database, "(default)"),
		LiveTopic: liveTopic(s, cfg), Groups: firestorestore.Groups(), Service: cmp.Or(os.Getenv("K_SERVICE"), "headgate"),
		StoreAdvice: s.storeAdvice,
		URL:         cmp.Or(cfg.PublicURL, s.Base),
		Own:         s.own,
	}
	if s.Store == SQLite && !s.StoreExists() {
		p.StoreMissing = s.Data
	}
	if s.FirestoreEmulator {
		p.FirestoreEmulator = cmp.Or(s.firestoreHost, "emulator")
	}
	if s.PubSubEmulator {
		p.PubSubEmulator = cmp.Or(s.pubsubHost, "emulator")
	}
	if p.Firestore && !s.FirestoreEmulator || p.PubSub && !s.PubSubEmulator {
		p.Google = &googleprobe.Probe{HTTP: &http.Client{Timeout: 10 * time.Second}, Tokens: new(googletoken.Source), Email: s.email}
	}
	p.Headgate = s.headgate(p.URL)
	return p
}

// remote reports whether a command on a laptop looks at a store that services in the cloud
// share: they, and not this process, do the periodic work.
func (s Settings) remote() bool { return s.Examines && s.Store == Firestore && !s.FirestoreEmulator }

// email returns the service account of this process, or "".
func (s Settings) email(ctx context.Context) string {
	if email := googleprobe.AccountFile(os.Getenv); email != "" {
		return email
	}
	if !s.Platform.GoogleCloud() {
		return ""
	}
	email, _ := metadata.EmailWithContext(ctx, "default") // without one, the command is for a person
	return email
}

// own returns the region and the account of this process; "" where Google Cloud does not say.
func (s Settings) own(ctx context.Context) (region, account string) {
	if !s.Platform.GoogleCloud() {
		return "", ""
	}
	region, _ = metadata.GetWithContext(ctx, "instance/region") // projects/NUMBER/regions/REGION
	return region[strings.LastIndex(region, "/")+1:], s.email(ctx)
}

// headgate returns the function that makes the command line of a headgate command on this
// deployment.
func (s Settings) headgate(url string) func(words ...string) string {
	return func(words ...string) string {
		line := cmp.Or(s.Program, "headgate") + " " + strings.Join(words, " ")
		switch {
		case words[0] == "serve" || s.Store == SQLite && !s.Platform.GoogleCloud():
			if s.ConfigFile != "" && words[0] == "serve" {
				line += " --config " + shell.Quote(s.ConfigFile)
			}
			if s.Store == SQLite {
				line += " --data " + shell.Quote(s.Data)
			}
		case url != "":
			line += " --url " + strings.TrimSuffix(url, "/")
		default:
			line += ` --url "` + doctor.Address + `"`
		}
		return line
	}
}

// lenient returns a function that stands in for a credential which cannot be resolved. It is
// for a process that neither verifies nor sends anything with it: the examination resolves
// the references itself and reports those that fail.
func lenient(resolve func(context.Context, string) (string, error)) func(context.Context, string) (string, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	standIn := "whsec_" + base64.StdEncoding.EncodeToString(random)
	return func(ctx context.Context, ref string) (string, error) {
		if value, err := resolve(ctx, ref); err == nil {
			return value, nil
		}
		return standIn, nil
	}
}

// storeAdvice returns what is behind an error of the store, and the command that corrects it;
// "" if that is not known.
func (s Settings) storeAdvice(err error) (sentence, fix string) {
	if s.Store == SQLite {
		return s.fileAdvice(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	database := " --database=" + cmp.Or(s.Database, "'(default)'") + " --project=" + s.Project
	switch code := grpcCode(err); {
	case doctor.SaysDisabled(err):
		return "the API of Firestore is not enabled in the project " + s.Project, (&doctor.Disabled{Service: "firestore.googleapis.com", Project: s.Project}).Fix()
	case code == codes.PermissionDenied:
		member := googleprobe.Person
		if email := s.email(ctx); email != "" {
			member = "serviceAccount:" + email
		}
		return "these credentials may not write to the database " + cmp.Or(s.Database, "(default)"),
			"gcloud projects add-iam-policy-binding " + s.Project + ` --member="` + member + `" --role=roles/datastore.user --condition=None`
	case code == codes.NotFound && strings.Contains(err.Error(), "database"):
		location, _ := s.own(ctx)
		return "there is no database " + cmp.Or(s.Database, "(default)") + " in the project " + s.Project,
			"gcloud firestore databases create" + database + ` --location="` + cmp.Or(location, shell.Required("REGION", "set it to where the database shall be, such as europe-west3")) + `"`
	case code == codes.Unauthenticated:
		return "there are no valid credentials", "gcloud auth application-default login"
	}
	return "", ""
}

// grpcCode returns the code of the gRPC error in err's chain.
func grpcCode(err error) codes.Code {
	if with, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		return with.GRPCStatus().Code()
	}
	return codes.Unknown
}

func (s Settings) fileAdvice(err error) (sentence, fix string) {
	switch {
	case errors.Is(err, sqlitestore.ErrReadOnly):
		return "nothing can be written to " + s.Data, "chmod -R u+rwX " + shell.Quote(s.Data)
	case errors.Is(err, sqlitestore.ErrDamaged):
		return "the file " + s.storeFile() + " is damaged", cmp.Or(s.Program, "headgate") + " restore FILE --data " + shell.Quote(s.Data)
	case errors.Is(err, sqlitestore.ErrFull):
		return "the disk of " + s.Data + " is full", "df -h " + shell.Quote(s.Data)
	}
	return "", ""
}

// Refusal returns the report of a deployment that could not be opened.
func (s Settings) Refusal(err error) doctor.Report {
	text, fix := "the deployment cannot be opened here: "+strings.Join(strings.Fields(err.Error()), " "), ""
	switch lower := strings.ToLower(text); {
	case strings.Contains(lower, "default credentials"):
		fix = "gcloud auth application-default login"
	case strings.Contains(lower, "no google cloud project"):
		fix = `export GOOGLE_CLOUD_PROJECT="` + shell.Required("PROJECT", "set it to the id of the project") + `"`
	default:
		_, fix = s.storeAdvice(err)
	}
	return doctor.Failed(time.Now(), text, fix)
}

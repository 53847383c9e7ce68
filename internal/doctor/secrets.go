package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/shell"
)

// reference is a credential that the configuration refers to.
type reference struct {
	ref    string
	places []string
}

// references returns each credential once.
func (e *examination) references() (all []reference) {
	for _, r := range e.Config.References() {
		i := slices.IndexFunc(all, func(one reference) bool { return one.ref == r.Ref })
		if i < 0 {
			all, i = append(all, reference{ref: r.Ref}), len(all)
		}
		all[i].places = append(all[i].places, r.Path)
	}
	return all
}

// secretCheck resolves a reference. The value is looked at only for its length.
func (e *examination) secretCheck(r reference) Check {
	where := strings.Join(r.places, " and ")
	return Check{Name: "the secret " + r.ref, Code: "secret", Do: func(ctx context.Context, found func(Finding)) {
		if e.Secret == nil {
			found(notChecked("secret.resolvable", "%s (%s): no reference can be resolved here", r.ref, where))
			return
		}
		value, err := e.Secret(ctx, r.ref)
		switch {
		case err != nil:
			found(e.unresolved(ctx, r.ref, where, err))
		case value == "":
			found(Finding{"secret.empty", Error, fmt.Sprintf("%s is empty (%s)", r.ref, where), ""})
		default:
			found(ok("secret.resolvable", "%s can be read (%s)", r.ref, where))
		}
	}}
}

func (e *examination) unresolved(ctx context.Context, ref, where string, err error) Finding {
	if name, isEnv := strings.CutPrefix(ref, "env:"); isEnv {
		f := Finding{"secret.unset", Error, fmt.Sprintf("the environment variable %s is not set (%s)", name, where), "export " + shell.Quote(name) + "=…"}
		switch {
		case e.Place.Serves:
		case e.Place.Background:
			f.State, f.Text = Warning, fmt.Sprintf("the environment variable %s is not set here (%s): a server that is started here does not start without it", name, where)
		default:
			f.State, f.Text = NotChecked, fmt.Sprintf("not checked: the environment variable %s (%s) is not set here, and only the service knows its own", name, where)
		}
		if e.Place.Firestore && e.Place.FirestoreEmulator == "" {
			f.Fix = "gcloud run services update " + e.Place.Service + e.project() + " --region=" + e.region(ctx) + " --update-secrets=" + shell.Quote(name) + "=" + shell.Quote(deploy.SecretOf(name)) + ":latest"
		}
		return f
	}
	f := Finding{"secret.unreadable", Error, fmt.Sprintf("%s cannot be read (%s): %s", ref, where, oneLine(err)), ""}
	name, valid := credential.Managed(ref)
	if !valid {
		return f
	}
	parts := strings.Split(name, "/") // projects, P, secrets, S, versions, V
	secret, project := parts[3], parts[1]
	switch text := err.Error(); {
	case strings.Contains(text, "there is no secret"):
		f.Code, f.Fix = "secret.missing", "gcloud secrets create "+secret+" --project="+project+" --replication-policy=automatic --data-file=-"
	case strings.Contains(text, "secretAccessor"):
		member := "serviceAccount:headgate@" + project + ".iam.gserviceaccount.com"
		if e.Place.Google != nil {
			member = e.Place.Google.Member(ctx)
		}
		f.Fix = "gcloud secrets add-iam-policy-binding " + secret + " --project=" + project + ` --member="` + member + `" --role=roles/secretmanager.secretAccessor`
	case strings.Contains(text, "no Google Cloud credentials"):
		f.Fix = "gcloud auth application-default login"
	default:
		f.Fix = "gcloud secrets versions list " + secret + " --project=" + project
	}
	return f
}

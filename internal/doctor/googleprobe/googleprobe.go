// Package googleprobe asks Google Cloud's administration for an examination: which permissions
// the caller has, which settings a database has, and what time it is. It uses the APIs' REST
// form, because each of their clients would make the program larger by megabytes.
//
// It changes nothing. An answer that it cannot read is an error, never "nothing is missing".
package googleprobe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/doctor"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/shell"
)

const (
	cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"
	// maxAnswer bounds an answer, and maxPages a list.
	maxAnswer, maxPages = 1 << 20, 20
)

// Tokens returns access tokens of the account that this process runs as.
type Tokens interface {
	OAuth(ctx context.Context, scopes []string) (string, error)
}

// Probe implements [doctor.Google].
type Probe struct {
	HTTP   *http.Client
	Tokens Tokens
	// Base replaces "https://HOST" of an API, for tests; nil: it is as it is.
	Base func(host string) string
	// Email returns the service account of this process; nil, or "": it is a person's.
	Email func(ctx context.Context) string
}

var _ doctor.Google = (*Probe)(nil)

// Topic implements [doctor.Google].
func (p *Probe) Topic(ctx context.Context, topic string, permissions ...string) ([]string, error) {
	return p.lacking(ctx, "pubsub.googleapis.com", "/v1/"+topic, permissions)
}

// Project implements [doctor.Google].
func (p *Probe) Project(ctx context.Context, project string, permissions ...string) ([]string, error) {
	return p.lacking(ctx, "cloudresourcemanager.googleapis.com", "/v1/projects/"+url.PathEscape(project), permissions)
}

func (p *Probe) lacking(ctx context.Context, host, resource string, permissions []string) (lacking []string, err error) {
	body, err := json.Marshal(map[string][]string{"permissions": permissions})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Permissions []string `json:"permissions"`
	}
	if err := p.call(ctx, http.MethodPost, host, resource+":testIamPermissions", body, &answer); err != nil {
		return nil, err
	}
	for _, one := range permissions {
		if !slices.Contains(answer.Permissions, one) {
			lacking = append(lacking, one)
		}
	}
	return lacking, nil
}

// Fields implements [doctor.Google].
func (p *Probe) Fields(ctx context.Context, project, database string) (fields []doctor.Field, err error) {
	path := "/v1/projects/" + url.PathEscape(project) + "/databases/" + url.PathEscape(database) + "/collectionGroups/-/fields"
	query := url.Values{"filter": {"indexConfig.usesAncestorConfig=false OR ttlConfig:*"}, "pageSize": {"300"}}
	for range maxPages {
		var page struct {
			Fields []struct {
				Name        string `json:"name"`
				IndexConfig struct {
					Indexes            []json.RawMessage `json:"indexes"`
					UsesAncestorConfig bool              `json:"usesAncestorConfig"`
				} `json:"indexConfig"`
				TTLConfig *struct {
					State string `json:"state"`
				} `json:"ttlConfig"`
			} `json:"fields"`
			Next string `json:"nextPageToken"`
		}
		if err := p.call(ctx, http.MethodGet, "firestore.googleapis.com", path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		for _, f := range page.Fields {
			_, name, _ := strings.Cut(f.Name, "/collectionGroups/")
			group, field, found := strings.Cut(name, "/fields/")
			if !found {
				return nil, fmt.Errorf("firestore.googleapis.com answered with a field of an unknown form")
			}
			one := doctor.Field{Group: group, Path: strings.Trim(field, "`"), Indexed: len(f.IndexConfig.Indexes) > 0 || f.IndexConfig.UsesAncestorConfig}
			if f.TTLConfig != nil {
				one.TTL = cmp.Or(f.TTLConfig.State, "STATE_UNSPECIFIED")
			}
			fields = append(fields, one)
		}
		if page.Next == "" {
			return fields, nil
		}
		query.Set("pageToken", page.Next)
	}
	return nil, errors.New("firestore.googleapis.com lists too many fields")
}

// Time implements [doctor.Google]. Every answer has the time, also one that refuses.
func (p *Probe) Time(ctx context.Context) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, p.base("pubsub.googleapis.com")+"/", nil)
	if err != nil {
		return time.Time{}, err
	}
	resp, err := p.HTTP.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	_ = resp.Body.Close()
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, errors.New("pubsub.googleapis.com did not tell the time")
	}
	return at.Add(500 * time.Millisecond), nil // the header has whole seconds: the middle is the best guess
}

// Member implements [doctor.Google].
func (p *Probe) Member(ctx context.Context) string {
	if p.Email != nil {
		if email := p.Email(ctx); email != "" {
			return "serviceAccount:" + email
		}
	}
	return Person
}

// Person stands in commands for a person whose address is not known here. It is not the account
// of gcloud, whose credentials are others than those of programs.
var Person = "user:" + shell.Required("ACCOUNT", "set it to the address of the person whose credentials these are")

func (p *Probe) base(host string) string {
	if p.Base != nil {
		return p.Base(host)
	}
	return "https://" + host
}

// call makes a request, and reads the answer into out.
func (p *Probe) call(ctx context.Context, method, host, path string, body []byte, out any) error {
	token, err := p.Tokens.OAuth(ctx, []string{cloudPlatform})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base(host)+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := p.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", host, fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s broke off its answer: %w", host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(host, resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s answered with something that is no JSON of the expected form", host)
	}
	return nil
}

// refusal returns the error of an answer that is no success.
func refusal(host string, code int, data []byte) error {
	var answer struct {
		Error struct {
			Status  string `json:"status"`
			Details []struct {
				Reason   string            `json:"reason"`
				Metadata map[string]string `json:"metadata"`
			} `json:"details"`
		} `json:"error"`
	}
	_ = json.Unmarshal(data, &answer) // of another form: the code says enough
	for _, d := range answer.Error.Details {
		if d.Reason == "SERVICE_DISABLED" {
			return &doctor.Disabled{
				Service: cmp.Or(d.Metadata["service"], host),
				Project: strings.TrimPrefix(d.Metadata["consumer"], "projects/"),
			}
		}
	}
	switch code {
	case http.StatusForbidden, http.StatusUnauthorized:
		return fmt.Errorf("%s: %w", host, doctor.ErrDenied)
	case http.StatusNotImplemented:
		return fmt.Errorf("%s: %w", host, doctor.ErrEmulator)
	}
	return fmt.Errorf("%s answered %d %s", host, code, answer.Error.Status)
}

// AccountFile returns the e-mail of the service account whose key GOOGLE_APPLICATION_CREDENTIALS
// names, or "".
func AccountFile(getenv func(string) string) string {
	data, err := os.ReadFile(getenv("GOOGLE_APPLICATION_CREDENTIALS"))
	if err != nil {
		return ""
	}
	var key struct {
		Email string `json:"client_email"`
	}
	_ = json.Unmarshal(data, &key) // a user's credentials have none
	return key.Email
}

package googleprobe

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/doctor"
)

// cloud is a strict stand-in for Google's APIs: a request that the real ones would refuse is
// an error, and nothing is granted that a test does not grant.
type cloud struct {
	*httptest.Server
	granted []string
	pages   []string // of the list of fields
	status  int      // with body, the answer to everything
	body    string
	hangs   chan struct{} // nil: it answers
}

func newCloud(t *testing.T) (*cloud, *Probe) {
	c := &cloud{}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	return c, &Probe{HTTP: c.Client(), Tokens: tokens{}, Base: func(host string) string { return c.URL + "/" + host }}
}

type tokens struct{ err error }

func (t tokens) OAuth(_ context.Context, scopes []string) (string, error) {
	if len(scopes) != 1 || scopes[0] != cloudPlatform {
		return "", errors.New("not the scope of Google Cloud")
	}
	return "c4n4ry", t.err
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request) {
	refuse := func(code int, text string) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "` + text + `"}}`))
	}
	if c.hangs != nil {
		<-c.hangs
		return
	}
	if r.Method == http.MethodHead && r.URL.Path == "/pubsub.googleapis.com/" {
		w.Header().Set("Date", "Mon, 04 May 2026 12:00:00 GMT")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer c4n4ry":
		refuse(401, "no token")
	case c.status != 0:
		w.WriteHeader(c.status)
		_, _ = w.Write([]byte(c.body))
	case r.Method == http.MethodPost && (r.URL.Path == "/pubsub.googleapis.com/v1/projects/p-1/topics/sync:testIamPermissions" ||
		r.URL.Path == "/cloudresourcemanager.googleapis.com/v1/projects/p-1:testIamPermissions"):
		var asked map[string][]string
		if json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked) != 1 || len(asked["permissions"]) == 0 || r.Header.Get("Content-Type") != "application/json" {
			refuse(400, "bad request")
			return
		}
		var has []string
		for _, one := range c.granted {
			for _, p := range asked["permissions"] {
				if p == one {
					has = append(has, p)
				}
			}
		}
		_ = json.NewEncoder(w).Encode(map[string][]string{"permissions": has})
	case r.Method == http.MethodGet && r.URL.EscapedPath() == "/firestore.googleapis.com/v1/projects/p-1/databases/%28default%29/collectionGroups/-/fields":
		if r.URL.Query().Get("filter") != "indexConfig.usesAncestorConfig=false OR ttlConfig:*" {
			refuse(400, "ListFields only supports this filter")
			return
		}
		n := len(r.URL.Query().Get("pageToken"))
		_, _ = w.Write([]byte(c.pages[n]))
	default:
		refuse(404, "no such method")
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	c, p := newCloud(t)
	c.granted = []string{"pubsub.topics.publish"}
	lacking, err := p.Topic(t.Context(), "projects/p-1/topics/sync", "pubsub.topics.publish")
	require.NoError(t, err)
	require.Empty(t, lacking)
	lacking, err = p.Project(t.Context(), "p-1", "pubsub.subscriptions.create", "pubsub.topics.publish")
	require.NoError(t, err)
	require.Equal(t, []string{"pubsub.subscriptions.create"}, lacking)
	c.granted = nil // then the real answer is {}
	lacking, err = p.Topic(t.Context(), "projects/p-1/topics/sync", "pubsub.topics.publish")
	require.NoError(t, err)
	require.Equal(t, []string{"pubsub.topics.publish"}, lacking)
}

func TestFields(t *testing.T) {
	t.Parallel()
	c, p := newCloud(t)
	const at = "projects/p-1/databases/(default)/collectionGroups/"
	c.pages = []string{
		`{"fields": [{"name": "` + at + `__default__/fields/*", "indexConfig": {"indexes": [{"queryScope": "COLLECTION"}]}},
			{"name": "` + at + `headgate-events/fields/data", "indexConfig": {"reverting": false}}], "nextPageToken": "x"}`,
		`{"fields": [{"name": "` + at + `headgate-docs/fields/expireAt", "indexConfig": {"usesAncestorConfig": true, "indexes": [{}]}, "ttlConfig": {"state": "ACTIVE"}},
			{"name": "` + at + `headgate-events/fields/expireAt", "indexConfig": {}, "ttlConfig": {}}]}`,
	}
	fields, err := p.Fields(t.Context(), "p-1", "(default)")
	require.NoError(t, err)
	require.Equal(t, []doctor.Field{
		{Group: "__default__", Path: "*", Indexed: true}, {Group: "headgate-events", Path: "data"},
		{Group: "headgate-docs", Path: "expireAt", TTL: "ACTIVE", Indexed: true}, {Group: "headgate-events", Path: "expireAt", TTL: "STATE_UNSPECIFIED"},
	}, fields)
	c.pages = []string{`{"fields": [{"name": "something else"}]}`}
	_, err = p.Fields(t.Context(), "p-1", "(default)")
	require.ErrorContains(t, err, "unknown form")
	c.pages = []string{`{"nextPageToken": ""}`, ``}
	fields, err = p.Fields(t.Context(), "p-1", "(default)")
	require.NoError(t, err)
	require.Empty(t, fields)
}

// What says that there is no answer is never taken for one, and no error shows the token.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c, p := newCloud(t)
	ask := func(status int, body string) error {
		c.status, c.body = status, body
		lacking, err := p.Topic(t.Context(), "projects/p-1/topics/sync", "pubsub.topics.publish")
		require.Error(t, err)
		require.Nil(t, lacking)
		_, again := p.Fields(t.Context(), "p-1", "(default)")
		require.Error(t, again)
		require.NotContains(t, err.Error()+again.Error(), "c4n4ry")
		return err
	}
	disabled, isDisabled := errors.AsType[*doctor.Disabled](ask(403, `{"error": {"code": 403, "status": "PERMISSION_DENIED",
		"message": "Cloud Pub/Sub API has not been used in project 123 before or it is disabled.", "details": [
		{"@type": "type.googleapis.com/google.rpc.Help"},
		{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "metadata": {"service": "pubsub.googleapis.com", "consumer": "projects/123"}}]}}`))
	require.True(t, isDisabled)
	require.Equal(t, "gcloud services enable pubsub.googleapis.com --project=123", disabled.Fix())
	require.ErrorIs(t, ask(403, `{"error": {"status": "PERMISSION_DENIED"}}`), doctor.ErrDenied)
	require.ErrorIs(t, ask(401, `<html>`), doctor.ErrDenied)
	require.ErrorIs(t, ask(501, `{"error": {"status": "UNIMPLEMENTED"}}`), doctor.ErrEmulator)
	require.ErrorContains(t, ask(500, `{"error": {"status": "INTERNAL"}}`), "pubsub.googleapis.com answered 500 INTERNAL")
	require.ErrorContains(t, ask(200, `<html>`), "no JSON")

	p.Tokens = tokens{errors.New("there are no credentials")}
	require.ErrorContains(t, ask(200, `{}`), "there are no credentials")
}

func TestAHangingAnswerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c, p := newCloud(t)
	c.hangs = make(chan struct{})
	defer close(c.hangs)
	ctx, cancel := context.WithCancel(t.Context())
	p.HTTP = &http.Client{Transport: cancelling{c.Client().Transport, cancel}}
	_, err := p.Topic(ctx, "projects/p-1/topics/sync", "pubsub.topics.publish")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "pubsub.googleapis.com does not answer")
	_, isURL := errors.AsType[*url.Error](err)
	require.False(t, isURL, "the sentence has no URL")
}

// cancelling ends the context as soon as a request is on its way.
type cancelling struct {
	http.RoundTripper
	cancel context.CancelFunc
}

func (c cancelling) RoundTrip(r *http.Request) (*http.Response, error) {
	c.cancel()
	return c.RoundTripper.RoundTrip(r)
}

func TestTimeAndMember(t *testing.T) {
	t.Parallel()
	_, p := newCloud(t)
	at, err := p.Time(t.Context())
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 5, 4, 12, 0, 0, 500_000_000, time.UTC), at.UTC())
	require.Equal(t, Person, p.Member(t.Context()))
	p.Email = func(context.Context) string { return "gate@p-1.iam.gserviceaccount.com" }
	require.Equal(t, "serviceAccount:gate@p-1.iam.gserviceaccount.com", p.Member(t.Context()))

	file := filepath.Join(t.TempDir(), "key.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"type": "service_account", "client_email": "a@b", "private_key": "c4n4ry"}`), 0o600))
	require.Equal(t, "a@b", AccountFile(func(string) string { return file }))
	require.Empty(t, AccountFile(func(string) string { return "" }))
}

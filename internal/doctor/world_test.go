package doctor

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/memorystore"
)

const deployed = `{"services": [{"serviceName": "orders", "trigger": {"type": "window", "observationPeriod": 60},
	"endpoints": [{"eventKey": "a"}, {"eventKey": "b"}], "targetPubSub": {"topic": "projects/p-1/topics/sync"}}]}`

// world is a deployment in the cloud, which a test can break.
type world struct {
	Options
	now    time.Time
	ahead  time.Duration // of the machine's clock
	docs   *memorystore.Store
	google *google
}

func newWorld(t *testing.T, cfg string) *world {
	t.Helper()
	parsed, err := config.Parse([]byte(cfg))
	require.NoError(t, err)
	w := &world{now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), docs: memorystore.New(memorystore.Options{}), google: newGoogle()}
	w.Options = Options{
		Config: parsed, Store: cloudStore{w.docs, &w.now, nil}, Docs: w.docs, Now: func() time.Time { return w.now }, Machine: func() time.Time { return w.now.Add(w.ahead) }, Random: func() string { return "examined" },
		Topic:  func(context.Context, string) error { return nil },
		Secret: func(_ context.Context, ref string) (string, error) { return "c4n4ry of " + ref, nil },
		Place: Place{
			Serves: true, Firestore: true, PubSub: true, Project: "p-1", Database: "gate", LiveTopic: "projects/p-1/topics/live", Google: w.google, Service: "gate",
			Groups: []string{"headgate-docs", "headgate-events"}, URL: "https://gate.example.com", Headgate: func(words ...string) string { return fmt.Sprint("headgate ", words) },
		},
	}
	w.google.fields = []Field{
		{"headgate-docs", "data", "", false},
		{"headgate-docs", "expireAt", "ACTIVE", true},
		{"headgate-events", "data", "", false},
		{"headgate-events", "expireAt", "ACTIVE", false},
	}
	return w
}

// cloudStore is a store with a clock of its own.
type cloudStore struct {
	*memorystore.Store
	now *time.Time
	err error
}

func (s cloudStore) Now(context.Context) (time.Time, bool, error) { return *s.now, true, s.err }

// google is a stand-in that grants what a test says.
type google struct {
	granted map[string]bool
	fields  []Field
	err     error
}

func newGoogle() *google {
	return &google{granted: map[string]bool{
		"pubsub.topics.publish": true, "pubsub.topics.attachSubscription": true,
		"pubsub.subscriptions.create": true, "pubsub.subscriptions.delete": true, "pubsub.subscriptions.consume": true,
	}}
}

func (g *google) lacking(permissions []string) (lacking []string, err error) {
	for _, p := range permissions {
		if !g.granted[p] {
			lacking = append(lacking, p)
		}
	}
	return lacking, g.err
}

func (g *google) Topic(_ context.Context, _ string, permissions ...string) ([]string, error) {
	return g.lacking(permissions)
}

func (g *google) Project(_ context.Context, _ string, permissions ...string) ([]string, error) {
	return g.lacking(permissions)
}

func (g *google) Fields(context.Context, string, string) ([]Field, error) { return g.fields, g.err }
func (g *google) Time(context.Context) (time.Time, error) {
	return time.Time{}, errors.New("not asked")
}
func (g *google) Member(context.Context) string {
	return "serviceAccount:gate@p-1.iam.gserviceaccount.com"
}

// find returns the findings with the code.
func (w *world) find(t *testing.T, code string) (found []Finding) {
	t.Helper()
	for _, f := range Examine(t.Context(), w.Options).Findings {
		require.NotContains(t, f.Text+f.Fix, "c4n4ry")
		if f.Code == code {
			found = append(found, f)
		}
	}
	return found
}

// one returns the only finding with the code.
func (w *world) one(t *testing.T, code string) Finding {
	t.Helper()
	found := w.find(t, code)
	require.Len(t, found, 1, "%s in %v", code, Examine(t.Context(), w.Options).Findings)
	return found[0]
}

// A deployment that works has neither errors nor warnings, and leaves nothing in the store.
func TestAllIsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	beats := &Beats{Docs: w.docs, Now: w.Now}
	for range 4 {
		beats.Beat(t.Context(), SweepBeat+"orders")
		w.now = w.now.Add(time.Minute)
	}
	w.Store = heard{w.Store, []string{"a", "b"}}
	r := Examine(t.Context(), w.Options)
	require.Equal(t, OK, r.State, "%v", r.Findings)
	for _, f := range r.Findings {
		require.Equal(t, OK, f.State, "%v", f)
		require.Empty(t, f.Fix)
	}
	n, err := w.docs.CountDocs(t.Context(), ownDocs, 10)
	require.NoError(t, err)
	require.Zero(t, n)
}

// heard is a store with an event of each endpoint.
type heard struct {
	Store
	keys []string
}

func (h heard) EventsBetween(_ context.Context, _ string, _ store.Span, after *store.Cursor, _ int) (all []store.Stored, err error) {
	if after != nil {
		return nil, nil
	}
	for _, k := range h.keys {
		all = append(all, store.Stored{Key: k})
	}
	return all, nil
}

func TestTopicMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	w.Topic = func(_ context.Context, name string) error {
		if name == "projects/p-1/topics/sync" {
			return fmt.Errorf("read it: %w", bus.ErrNoTopic)
		}
		return nil
	}
	require.Equal(t, Finding{
		"topic.missing", Error, `the topic projects/p-1/topics/sync does not exist (messages of service "orders"): messages wait until it does`,
		"gcloud pubsub topics create sync --project=p-1",
	}, w.one(t, "topic.missing"))
	w.Place.PubSubEmulator = "127.0.0.1:8085"
	require.Contains(t, w.one(t, "topic.missing").Fix, "_PUBSUB=http://127.0.0.1:8085/ gcloud pubsub topics create sync --project=p-1")
	require.Len(t, w.find(t, "topic.publishable"), 1, "the other topic is not checked on an emulator")
}

func TestTopicDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	w.google.granted["pubsub.topics.publish"] = false
	found := w.find(t, "topic.denied")
	require.Len(t, found, 2)
	require.Equal(t, Finding{
		"topic.denied", Error, `this service may not publish to projects/p-1/topics/sync (messages of service "orders"): pubsub.topics.publish is missing`,
		`gcloud pubsub topics add-iam-policy-binding sync --project=p-1 --member="serviceAccount:gate@p-1.iam.gserviceaccount.com" --role=roles/pubsub.publisher`,
	}, found[0])
	require.Contains(t, found[1].Fix, "roles/pubsub.editor", "every instance subscribes to live.topic")

	w.google.err = &Disabled{"pubsub.googleapis.com", "p-1"}
	for _, f := range w.find(t, "topic.publishable") {
		require.Equal(t, NotChecked, f.State)
		require.Equal(t, "gcloud services enable pubsub.googleapis.com --project=p-1", f.Fix)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	w.google.fields = []Field{
		{"headgate-docs", "data", "", true},
		{"headgate-docs", "expireAt", "CREATING", true},
		{"headgate-events", "expireAt", "", false},
	}
	require.Equal(t, Finding{
		"firestore.undeleted", Error, "nothing deletes what has expired in headgate-events: it has no active TTL policy, and expireAt has no index, which the sweep needs",
		"gcloud firestore fields ttls update expireAt --collection-group=headgate-events --database=gate --project=p-1 --async --enable-ttl",
	}, w.one(t, "firestore.undeleted"))
	require.Contains(t, w.one(t, "firestore.ttl").Text, "is being created")
	exemptions := w.find(t, "firestore.exemption")
	require.Len(t, exemptions, 2)
	for _, f := range exemptions {
		require.Equal(t, Warning, f.State)
		require.Contains(t, f.Fix, "gcloud firestore indexes fields update data --collection-group=headgate-")
	}
	w.google.fields = nil
	for _, f := range w.find(t, "firestore.ttl") {
		require.Equal(t, Warning, f.State)
		require.Contains(t, f.Text, "has no TTL policy: the sweep deletes")
	}
	w.google.err = ErrDenied
	require.Contains(t, w.one(t, "firestore.policies").Fix, "--role=roles/datastore.viewer")
	w.google.err = fmt.Errorf("firestore.googleapis.com answered 500")
	require.Equal(t, "not checked: TTL policies and exemptions: firestore.googleapis.com answered 500", w.one(t, "firestore.policies").Text)
}

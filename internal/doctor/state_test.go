package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// brokenDocs fails every commit, and takes its time.
type brokenDocs struct {
	store.Docs
	err  error
	took func()
}

func (d brokenDocs) Commit(ctx context.Context, w []store.Write) ([]string, error) {
	d.took()
	if d.err != nil {
		return nil, d.err
	}
	return d.Docs.Commit(ctx, w)
}

// A store that does not answer has a command that shows whether it is there.
func TestStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	w.Docs = brokenDocs{w.docs, errors.New("late"), func() {}}
	e := &examination{w.Options}
	ended, end := context.WithCancel(t.Context())
	end()
	require.Equal(t, []Finding{{"store.late", Error, "the store did not answer within 5s", "gcloud firestore databases describe --database=gate --project=p-1"}}, e.storeCheck().run(ended))
	e.Place.FirestoreEmulator = "127.0.0.1:8080"
	require.Equal(t, "curl http://127.0.0.1:8080/", e.storeCheck().LateFix)
	e.Place.Firestore = false
	require.Empty(t, e.storeCheck().LateFix)
}

func TestStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	w.Docs = brokenDocs{w.docs, nil, func() { w.now = w.now.Add(time.Second) }}
	r := Run(t.Context(), time.Now, []Check{(&examination{w.Options}).storeCheck()}) // the other checks read the clock, too
	require.Len(t, r.Findings, 1)
	f := r.Findings[0]
	require.Equal(t, "store.slow", f.Code)
	require.Equal(t, Warning, f.State)
	require.Contains(t, f.Text, "1s to write, 0s to read, 1s to delete")
	w.Docs = brokenDocs{w.docs, errors.New("rpc error:\n denied"), func() {}}
	require.Equal(t, Finding{"store.unwritable", Error, "the store takes no writes: rpc error: denied", ""}, w.one(t, "store.unwritable"))
	w.Place.StoreAdvice = func(error) (string, string) { return "there is no database gate", "gcloud firestore databases create" }
	require.Equal(t, Finding{"store.unwritable", Error, "the store takes no writes: there is no database gate", "gcloud firestore databases create"}, w.one(t, "store.unwritable"))
}

func TestClock(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]State{time.Second: OK, -time.Second: OK, 3 * time.Second: Warning, -3 * time.Second: Warning, -2 * time.Minute: Error} {
		w := newWorld(t, deployed)
		theirs := w.now.Add(-ahead)
		w.Store = cloudStore{w.docs, &theirs, nil}
		f := w.one(t, "clock.skew")
		require.Equal(t, want, f.State, "%s", ahead)
		require.Equal(t, ahead < 0, strings.Contains(f.Text, "behind"), f.Text)
	}
	w := newWorld(t, deployed)
	w.Store = cloudStore{w.docs, &w.now, errors.New("it is down")}
	require.Equal(t, NotChecked, w.one(t, "clock.skew").State)
}

// What is stored has the deployment's time. A machine whose clock is wrong finds what every other
// one finds, and its clock.
func TestAWrongClockIsNoLateSweep(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		w := newWorld(t, deployed)
		w.ahead = ahead
		beats := &Beats{Docs: w.docs, Now: w.Now}
		for range 10 {
			w.now = w.now.Add(2 * time.Minute)
			beats.Beat(t.Context(), SweepBeat+"orders")
		}
		require.Equal(t, ahead != 0, w.one(t, "clock.skew").State == Error)
		require.Equal(t, OK, w.one(t, "sweep.recent").State)
		w.now = w.now.Add(30 * time.Minute)
		require.Contains(t, w.one(t, "sweep.late").Text, "was 30 minutes ago")
	}
}

// A sweep that nobody calls any more is late by its usual interval.
func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	f := w.one(t, "sweep.never")
	require.Equal(t, Error, f.State)
	require.Contains(t, f.Fix, `gcloud scheduler jobs create http headgate-sweep --project=p-1`)
	require.Contains(t, f.Fix, `--uri="https://gate.example.com/sweep"`)
	require.Contains(t, f.Fix, `--location="${REGION:?set it to the region of the service, such as europe-west3}"`)
	require.Contains(t, f.Fix, "--oidc-service-account-email=headgate-caller@p-1.iam.gserviceaccount.com")
	account := "7-compute@developer.gserviceaccount.com"
	w.Place.Own = func(context.Context) (string, string) { return "europe-west3", account }
	require.Contains(t, w.one(t, "sweep.never").Fix, "--location=europe-west3 ")
	require.Contains(t, w.one(t, "sweep.never").Fix, "--oidc-service-account-email="+account)
	account = "headgate@p-1.iam.gserviceaccount.com"
	require.Contains(t, w.one(t, "sweep.never").Fix, "--oidc-service-account-email=headgate-caller@p-1.iam.gserviceaccount.com", "only callers may call")

	beats := &Beats{Docs: w.docs, Now: w.Now}
	for range 10 {
		w.now = w.now.Add(2 * time.Minute)
		beats.Beat(t.Context(), SweepBeat+"orders")
	}
	w.now = w.now.Add(7 * time.Minute)
	require.Equal(t, `the sweep of service "orders" was 7 minutes ago`, w.one(t, "sweep.recent").Text)
	w.now = w.now.Add(13 * time.Minute)
	f = w.one(t, "sweep.late")
	require.Equal(t, Error, f.State)
	require.Contains(t, f.Text, `the sweep of service "orders" was 20 minutes ago, and is late by 9 intervals of 2 minutes`)
	require.Contains(t, f.Fix, "gcloud scheduler jobs resume headgate-sweep --project=p-1")
}

// Beats are few writes, and one of a clock that was ahead does not hide that sweeps ended.
func TestBeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	ahead := &Beats{Docs: w.docs, Now: func() time.Time { return w.now.Add(time.Hour) }}
	ahead.Beat(t.Context(), "x")
	beats := &Beats{Docs: w.docs, Now: w.Now}
	for range 100 {
		beats.Beat(t.Context(), "x")
		w.now = w.now.Add(time.Second)
	}
	at, err := readBeats(t.Context(), w.docs, "x")
	require.NoError(t, err)
	require.Len(t, at, 4)
	require.Equal(t, beatEvery, interval(at))
	require.True(t, at[3].Before(w.now))
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"echo": {"secrets": ["env:ECHO_SECRET", "sm://projects/p-1/secrets/echo"]}, "live": {"token": {"secret": "env:ECHO_SECRET", "audience": "x"}}}`)
	found := w.find(t, "secret.resolvable")
	require.Len(t, found, 2)
	require.Contains(t, found[0].Text+found[1].Text, "$.live.token.secret and $.echo.secrets[0]")
	said := ""
	w.Secret = func(_ context.Context, ref string) (string, error) {
		if strings.HasPrefix(ref, "env:") {
			return "", errors.New("it is not set")
		}
		return "", errors.New(said)
	}
	f := w.one(t, "secret.unset")
	require.Equal(t, Error, f.State)
	require.Contains(t, f.Text, "the environment variable ECHO_SECRET is not set")
	require.Contains(t, f.Fix, `gcloud run services update gate --project=p-1 --region="${REGION:?set it to the region of the service, such as europe-west3}" --update-secrets=ECHO_SECRET=`)
	for text, want := range map[string]string{
		"there is no secret projects/p-1/secrets/echo/versions/latest": "gcloud secrets create echo --project=p-1",
		"it may not be read: grant roles/secretmanager.secretAccessor": "gcloud secrets add-iam-policy-binding echo --project=p-1 --member=\"serviceAccount:gate@p-1",
		"the version may be disabled":                                  "gcloud secrets versions list echo --project=p-1",
	} {
		said = text
		f, all := w.find(t, "secret.unreadable"), w.find(t, "secret.missing")
		require.Contains(t, append(f, all...)[0].Fix, want)
	}
	w.Place.Serves = false
	require.Equal(t, NotChecked, w.one(t, "secret.unset").State, "only the service knows its own variables")
}

func TestSourcesAndWhatNamesSyncs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"hooks": [{"name": "h", "verify": {"type": "none"}, "sync": "gone"}], "drafts": [{"name": "d", "sync": {"id": "wells", "datatype": "x"}}]}`)
	w.Sources = func(context.Context) ([]Source, error) {
		return []Source{
			{"wells", "", func(context.Context) []string { return nil }},
			{"lakes", "it was declared once", func(context.Context) []string { return []string{"x: connection\nrefused"} }},
		}, nil
	}
	w.HookUsed = func(context.Context, string) (bool, error) { return false, nil }
	require.Equal(t, `the source of sync "wells" can be read`, w.one(t, "source.reachable").Text)
	require.Equal(t, Finding{"source.unreachable", Error, `the source of sync "lakes" cannot be read: x: connection refused`, "headgate [sync run lakes --validate]"}, w.one(t, "source.unreachable"))
	require.Equal(t, `the hook "h" names the sync "gone", which does not exist`, w.one(t, "sync.missing").Text)
	require.Equal(t, Finding{"sync.dropped", Warning, "it was declared once", "headgate [sync delete lakes]"}, w.one(t, "sync.dropped"))
	require.Equal(t, Warning, w.one(t, "hook.silent").State)
	w.Sources = func(context.Context) ([]Source, error) { return nil, errors.New("the store is down") }
	require.Equal(t, NotChecked, w.one(t, "source.reachable").State)
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `{"echo": {}}`)
	w.Webhooks = func(context.Context) ([]Webhook, error) {
		return []Webhook{
			{ID: "w1", Where: "https://a.example.com/"},
			{ID: "w2", Where: "https://b.example.com/", Failures: 3, Waiting: 2, First: 7, LastError: "500"},
			{ID: "w3", Where: "https://c.example.com/", Paused: true, Failures: 40, Waiting: 9, First: 11},
		}, nil
	}
	require.Equal(t, "webhooks that take their deliveries: 1", w.one(t, "webhook.delivered").Text)
	require.Equal(t, Warning, w.one(t, "webhook.failing").State)
	f := w.one(t, "webhook.paused")
	require.Equal(t, Error, f.State)
	require.Equal(t, `curl -X POST -H "Authorization: Bearer $(gcloud auth print-identity-token)" "https://gate.example.com/webhooks/w3/deliveries/11/retry"`, f.Fix)
}

// A message that waits is stuck after some minutes, and the finding has the bus's error.
func TestMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, deployed)
	ctx := t.Context()
	e := event.Event{ID: event.NewID(w.now), Key: "a", ReceivedAt: w.now}
	ep := store.Endpoint{Service: "orders", Key: "a"}
	for _, r := range w.docs.Append(ctx, []store.Append{{Event: e, Endpoint: ep, Attempt: "1", ExpireAt: w.now.Add(time.Hour)}}) {
		require.NoError(t, r.Err)
	}
	require.Equal(t, `the endpoint "b" of service "orders" sent no event that is still stored: see whether its source calls /event/b`, w.one(t, "endpoint.silent").Text)
	require.Empty(t, w.one(t, "endpoint.silent").Fix, "a test event would count")
	require.NoError(t, w.docs.Claim(ctx, store.Claim{ClaimInfo: store.ClaimInfo{ID: strings.Repeat("a", 32), Service: "orders", EventID: "m1", Date: w.now, State: store.Claimed, NextAttempt: w.now}}, nil))
	require.Equal(t, OK, w.one(t, "message.published").State)
	require.NoError(t, w.docs.Settle(ctx, "orders", strings.Repeat("a", 32), store.Outcome{NextAttempt: w.now, Error: "no such topic"}))
	w.now = w.now.Add(4 * time.Second)
	require.Equal(t, Finding{"message.retrying", Warning, `1 message waits to be published by service "orders", the oldest for 4s: no such topic; it is tried again by itself`, "headgate [replay m1]"}, w.one(t, "message.retrying"))
	w.now = w.now.Add(10 * time.Minute)
	require.Equal(t, Finding{"message.stuck", Error, `1 message waits to be published by service "orders", the oldest for 10 minutes: no such topic`, "headgate [replay m1]"}, w.one(t, "message.stuck"))
	require.NoError(t, w.docs.Settle(ctx, "orders", strings.Repeat("a", 32), store.Outcome{Failed: true, ExpireAt: w.now.Add(time.Hour), Targets: []store.Target{{Name: "crm", LastError: "404"}}}))
	require.Equal(t, Finding{"message.failed", Warning, `a message of service "orders" was given up at a target: m1 at crm (404)`, "headgate [replay m1 --target crm]"}, w.one(t, "message.failed"))
}

// A gate that missed its expectation is named until a complete message follows, with what it
// lacked.
func TestOverdueGate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strings.Replace(deployed, `"targetPubSub"`, `"expect": [{"cron": "0 11 * * *"}], "targetPubSub"`, 1))
	missed := Alerts{Overdue: w.now.Add(-time.Hour), Lacked: "b (0 of 1)"}
	w.Alerts = func(context.Context, string) (Alerts, error) { return missed, nil }
	require.Equal(t, Finding{"message.overdue", Warning, `service "orders" published no complete message by 2026-05-04T11:00:00Z, because it lacked b (0 of 1): see why these did not report`, "headgate [status]"}, w.one(t, "message.overdue"))
	w.now = w.now.Add(overdueFor)
	require.Empty(t, w.find(t, "message.overdue"), "it was too long ago")
	w.now = w.now.Add(-overdueFor)
	require.NoError(t, w.docs.Claim(t.Context(), store.Claim{ClaimInfo: store.ClaimInfo{ID: strings.Repeat("a", 32), Service: "orders", EventID: "m1", Date: w.now, State: store.Claimed, NextAttempt: w.now}}, nil))
	require.Empty(t, w.find(t, "message.overdue"), "a message followed")
}

// An endpoint that need not send is no warning, and no finding asks for an event that would
// count.
func TestSilentEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, strings.Replace(deployed, `{"eventKey": "b"}`, `{"eventKey": "b/c"}, {"eventKey": "note", "optional": true}`, 1))
	silent := map[State][]string{}
	for _, f := range Examine(t.Context(), w.Options).Findings {
		if strings.HasPrefix(f.Code, "endpoint.") {
			require.Empty(t, f.Fix)
			silent[f.State] = append(silent[f.State], f.Text)
		}
	}
	require.Equal(t, map[State][]string{
		Warning: {
			`the endpoint "a" of service "orders" sent no event that is still stored: see whether its source calls /event/a`,
			`the endpoint "b/c" of service "orders" sent no event that is still stored: see whether its source calls /event/b%2Fc`,
		},
		OK: {`the endpoint "note" of service "orders", which is optional, sent no event that is still stored`},
	}, silent)
}

// The commands name the jobs and secrets that "headgate deploy" makes.
func TestAdviceNamesWhatDeployMakes(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(`{"sync": {}, "echo": {}, "services": [
		{"serviceName": "orders", "trigger": {"type": "window", "observationPeriod": 60}, "endpoints": [{"eventKey": "a"}], "targetPubSub": {"topic": "projects/project-1/topics/sync"}},
		{"serviceName": "stock", "trigger": {"type": "window", "observationPeriod": 60}, "endpoints": [{"eventKey": "a"}], "targetPubSub": {"topic": "projects/project-1/topics/sync"}}]}`))
	require.NoError(t, err)
	plan, err := deploy.New(cfg, deploy.Options{})
	require.NoError(t, err)
	e := &examination{Options{Config: cfg}}
	var want, got []string
	for _, j := range plan.Jobs {
		want = append(want, j.Name)
	}
	for _, b := range e.beats() {
		got = append(got, b.job)
	}
	require.Subset(t, want, got)
	require.Len(t, got, 3)
	f := e.unresolved(t.Context(), "env:ECHO_SECRET", "$.echo", errors.New("not set"))
	require.NotContains(t, f.Fix, "gcloud")
	e.Place = Place{Serves: true, Firestore: true, Project: "p-1", Service: "headgate"}
	require.Contains(t, e.unresolved(t.Context(), "env:ECHO_SECRET", "$.echo", errors.New("not set")).Fix, "ECHO_SECRET=headgate-env-ECHO_SECRET:latest")
}

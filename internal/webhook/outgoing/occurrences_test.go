package outgoing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/firestorestore"
	"github.com/headgate/headgate/internal/webhook/occurrence"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// subscribe registers the receiver for types.
func (w *world) subscribe(r *receiver, filter string, subjects []string, types ...string) *outgoing.Target {
	w.Helper()
	t, created, err := w.svc.Register(w.Context(), outgoing.Registration{URL: r.URL + "/all", Types: types, Subjects: subjects, Filter: filter})
	require.NoError(w, err)
	require.True(w, created)
	return t
}

// occur commits an occurrence as a use case does. It returns whether somebody wanted it.
func (w *world) occur(s *process, typ, subject, id, data string) bool {
	w.Helper()
	box := occurrence.Outbox{Subscribed: s.Subscribed, Stored: func() {}}
	writes := box.Writes(w.Context(), occurrence.Occurrence{ID: id, Type: typ, Source: "/test", Subject: subject, Time: w.tick(), Data: json.RawMessage(data)})
	if len(writes) > 0 {
		_, err := w.store.Commit(w.Context(), writes)
		require.NoError(w, err)
	}
	return len(writes) > 0
}

// outbox returns how many occurrences are stored.
func (w *world) outbox() int {
	w.Helper()
	n, err := w.store.CountDocs(w.Context(), occurrence.Collection, 1000)
	require.NoError(w, err)
	return n
}

// received is a CloudEvent as a receiver got it.
type received struct {
	ID, Source, Type, Subject string
	Data                      json.RawMessage
}

func eventsOf(t *testing.T, r *receiver) (all []received) {
	t.Helper()
	for _, c := range r.calls() {
		var e received
		require.NoError(t, json.Unmarshal(c.body, &e))
		require.Equal(t, e.ID, c.header.Get("webhook-id"))
		require.Equal(t, "application/cloudevents+json", c.header.Get("content-type"))
		all = append(all, e)
	}
	return all
}

func idsOf(t *testing.T, r *receiver) (ids []string) {
	t.Helper()
	for _, e := range eventsOf(t, r) {
		ids = append(ids, e.ID)
	}
	return ids
}

// A target gets what it subscribed to by type, subject and filter, in order, and nothing
// else. What nobody wants is not even written.
func TestATargetGetsWhatItSubscribedTo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		require.False(t, w.occur(w.svc, occurrence.Alert, "s", "before", `{}`))
		alerts, runs, filtered, lists := newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t)
		w.subscribe(alerts, "", nil, occurrence.Alert)
		w.subscribe(runs, "", []string{"a", "b"}, occurrence.RunFailed, occurrence.RunPartial)
		w.subscribe(filtered, `type == "`+occurrence.Alert+`" && data.n > 1`, []string{"s"}, occurrence.Alert, occurrence.Records)
		w.register(lists, "l")
		require.False(t, w.occur(w.svc, occurrence.Message, "s", "m", `{}`))
		require.False(t, w.occur(w.svc, occurrence.RunFailed, "c", "other", `{}`))
		require.Zero(t, w.outbox())
		for i, o := range [][2]string{{occurrence.Alert, "s"}, {occurrence.RunFailed, "a"}, {occurrence.Alert, "s"}, {occurrence.RunPartial, "b"}, {occurrence.Alert, "t"}, {occurrence.Records, "s"}} {
			require.True(t, w.occur(w.svc, o[0], o[1], fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i)))
		}
		require.Equal(t, 6, w.outbox())
		require.Equal(t, 6, w.sweep(w.svc))
		require.Zero(t, w.outbox())
		require.Equal(t, []string{"0", "2", "4"}, idsOf(t, alerts))
		require.Equal(t, []string{"1", "3"}, idsOf(t, runs))
		require.Equal(t, []string{"2"}, idsOf(t, filtered), "4 has another subject, and 5 another type")
		require.Empty(t, lists.calls())
		require.Equal(t, received{"3", "/test", occurrence.RunPartial, "b", json.RawMessage(`{"n":3}`)}, eventsOf(t, runs)[1])
		w.receive("l", "", tasks)
		require.Equal(t, 1, w.sweep(w.svc))
		require.Len(t, alerts.calls(), 3)
	})
}

// An occurrence replaces no other, and keeps its id over all attempts.
func TestOccurrencesAreNotReplaced(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		w.subscribe(r, "", nil, occurrence.Alert)
		r.answer(500)
		for i := range 5 {
			w.occur(w.svc, occurrence.Alert, "s", fmt.Sprint(i), `{}`)
			w.sweep(w.svc)
			w.wait(time.Hour)
		}
		x := w.targets()[0]
		require.EqualValues(t, 5, x.Waiting())
		require.Zero(t, x.Replaced)
		tries := idsOf(t, r)
		require.Greater(t, len(tries), 1)
		require.Equal(t, []string{"0"}, slices.Compact(tries))
		r.answer(200)
		w.wait(24 * time.Hour)
		require.Equal(t, 5, w.sweep(w.svc))
		require.Equal(t, []string{"0", "1", "2", "3", "4"}, idsOf(t, r)[len(tries):])
	})
}

// Wherever processes die, each target has one delivery of each occurrence: none is lost, and
// none has two. What is sent more than once has the same id.
func TestCrashesLoseNoOccurrence(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		random := rand.New(rand.NewPCG(5, 6))
		var rs []*receiver
		for range 3 {
			r := newReceiver(t)
			w.subscribe(r, "", nil, occurrence.Alert)
			rs = append(rs, r)
		}
		rounds := 30
		if _, ok := w.store.(*firestorestore.Store); ok { // its emulator takes long
			rounds = 8
		}
		var want []string
		for i := range rounds {
			s := w.service(func(o *outgoing.Options) { o.Docs = &crashing{Docs: w.store, random: random} })
			for n := range 1 + random.IntN(3) {
				want = append(want, fmt.Sprintf("%d-%d", i, n))
				require.True(t, w.occur(w.svc, occurrence.Alert, "s", want[len(want)-1], `{}`))
			}
			_, _ = s.Sweep(t.Context())
			w.wait(time.Minute)
		}
		w.sweep(w.svc)
		require.Zero(t, w.outbox())
		slices.Sort(want)
		for i, x := range w.targets() {
			require.EqualValues(t, len(want), x.Next-1, "one delivery of each")
			require.Zero(t, x.Waiting())
			got := idsOf(t, rs[i])
			slices.Sort(got)
			require.Equal(t, want, slices.Compact(got))
		}
	})
}

// Several processes that see the same occurrences give each target one delivery of each.
func TestProcessesShareTheFanOut(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		w.subscribe(r, "", nil, occurrence.Alert)
		w.subscribe(newReceiver(t), "", nil, occurrence.Alert)
		for i := range 10 {
			w.occur(w.svc, occurrence.Alert, "s", fmt.Sprint(i), `{}`)
		}
		done := make(chan error)
		for range 3 {
			s := w.service(nil)
			go func() {
				_, err := s.Sweep(t.Context())
				done <- err
			}()
		}
		for range 3 {
			fail(t, <-done)
		}
		w.sweep(w.svc)
		require.Zero(t, w.outbox())
		for _, x := range w.targets() {
			require.EqualValues(t, 10, x.Next-1)
		}
		require.Len(t, idsOf(t, r), 10)
	})
}

// unreadable is a store whose lists cannot be read while it fails.
type unreadable struct {
	store.Docs
	fails bool
}

func (u *unreadable) List(ctx context.Context, l store.Listing) ([]store.Doc, error) {
	if u.fails {
		return nil, errors.New("the store is away")
	}
	return u.Docs.List(ctx, l)
}

// rewriteTarget changes the document of the only target.
func (w *world) rewriteTarget(change func(map[string]any)) {
	w.Helper()
	col := store.Collection{Kind: "webhooks"}
	docs, err := w.store.List(w.Context(), store.Listing{Collection: col, Limit: 2})
	require.NoError(w, err)
	require.Len(w, docs, 1)
	var t map[string]any
	require.NoError(w, json.Unmarshal(docs[0].Body, &t))
	change(t)
	docs[0].Body, err = json.Marshal(t)
	require.NoError(w, err)
	_, err = w.store.Commit(w.Context(), []store.Write{{Collection: col, Doc: docs[0]}})
	require.NoError(w, err)
}

// Another process knows a new target after a few seconds. If it cannot read the targets, it
// goes on with those that it knows, and before it knew any it writes everything.
func TestSubscriptionsAreKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	down := &unreadable{Docs: w.store}
	other := w.service(func(o *outgoing.Options) { o.Docs = down })
	down.fails = true
	require.True(t, w.occur(other, occurrence.Alert, "s", "unknown", `{}`))
	down.fails = false
	w.wait(10 * time.Second)
	require.False(t, w.occur(other, occurrence.Alert, "s", "nobody", `{}`))
	r := newReceiver(t)
	x := w.subscribe(r, "", nil, occurrence.Alert)
	w.wait(10 * time.Second)
	require.True(t, w.occur(other, occurrence.Alert, "s", "wanted", `{}`))
	down.fails = true
	w.wait(10 * time.Second)
	require.True(t, w.occur(other, occurrence.Alert, "s", "kept", `{}`))
	down.fails = false
	_, err := w.svc.UnregisterID(t.Context(), x.ID)
	require.NoError(t, err)
	w.wait(10 * time.Second)
	require.False(t, w.occur(other, occurrence.Alert, "s", "late", `{}`))
	w.sweep(w.svc)
	require.Zero(t, w.outbox(), "what nobody wants is deleted")
}

// What cannot be kept for a target is counted and logged: more than 10,000 occurrences, and
// those that waited until they expired.
func TestDroppedOccurrencesAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log strings.Builder
	s := w.service(func(o *outgoing.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	r := newReceiver(t)
	x := w.subscribe(r, "", nil, occurrence.Alert)
	r.answer(500)
	for i := range 3 {
		w.occur(s, occurrence.Alert, "s", fmt.Sprint(i), `{}`)
	}
	w.sweep(s)
	// Most deliveries of a target that was down for long, and which nobody can wait for here.
	w.rewriteTarget(func(t map[string]any) { t["next"] = 1 + outgoing.KeptOccurrences; t["head"] = 1 })
	w.occur(s, occurrence.Alert, "s", "one more", `{}`)
	w.sweep(s)
	require.EqualValues(t, 1, w.targets()[0].Dropped)
	require.EqualValues(t, outgoing.KeptOccurrences, w.targets()[0].Waiting())
	require.Contains(t, log.String(), "deliveries of a webhook are dropped")

	expired := store.Write{Collection: store.Collection{Kind: "deliveries", Scope: x.ID}, Doc: store.Doc{ID: "000000000003"}, Delete: true, Any: true}
	_, err := w.store.Commit(t.Context(), []store.Write{expired})
	require.NoError(t, err)
	w.rewriteTarget(func(t map[string]any) {
		t["next"] = 4
		t["head"] = 2
		t["dropped"] = 1
		t["droppedAt"] = "2020-01-01T00:00:00Z"
	})
	r.answer(200)
	w.wait(48 * time.Hour)
	require.Equal(t, 1, w.sweep(s))
	require.EqualValues(t, 2, w.targets()[0].Dropped)
	require.Contains(t, log.String(), "they waited until they expired")
}

// A registration for types is checked, is one for each URL, and is removed by its id.
func TestRegisterForTypes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			r    outgoing.Registration
			want string
		}{
			"unknown type": {outgoing.Registration{Types: []string{"x"}}, `types: "x" is none of`},
			"with a list":  {outgoing.Registration{Types: []string{occurrence.Alert}, List: "l"}, "either types or externalTaskListId"},
			"plain":        {outgoing.Registration{Types: []string{occurrence.Alert}, Format: outgoing.Plain}, "format must be cloudevents"},
			"no types":     {outgoing.Registration{Subjects: []string{"s"}}, "subjects needs types"},
			"empty":        {outgoing.Registration{Types: []string{occurrence.Alert}, Subjects: []string{""}}, "subjects has at most"},
			"filter":       {outgoing.Registration{Types: []string{occurrence.Alert}, Filter: "version > 1"}, "filter does not compile"},
		} {
			c.r.URL = "http://h.test/"
			_, _, err := w.svc.Register(t.Context(), c.r)
			require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
			require.ErrorContains(t, err, c.want, name)
		}
		r := newReceiver(t)
		x := w.subscribe(r, "", nil, occurrence.Alert, occurrence.Alert)
		require.Equal(t, []string{occurrence.Alert}, x.Types)
		again, created, err := w.svc.Register(t.Context(), outgoing.Registration{URL: r.URL + "/all", Types: []string{occurrence.Alert}})
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, x.ID, again.ID)
		require.Empty(t, again.Secret)
		trial, err := w.svc.Try(t.Context(), x.ID)
		require.NoError(t, err)
		require.True(t, trial.OK)
		require.Equal(t, "io.headgate.test", eventsOf(t, r)[0].Type)
		was, err := w.svc.UnregisterID(t.Context(), x.ID)
		require.NoError(t, err)
		require.True(t, was)
		was, err = w.svc.UnregisterID(t.Context(), x.ID)
		require.NoError(t, err)
		require.False(t, was)
		require.Empty(t, w.targets())
	})
}

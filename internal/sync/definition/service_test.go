package definition_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// world is a store with definitions of one kind of source.
type world struct {
	t       *testing.T
	docs    store.Docs
	defs    *definition.Service
	runs    *runs
	now     time.Time
	changed []string
}

// runs is a fake memory of runs: one document. It counts the changes.
type runs struct {
	busy       bool
	redefined  int
	sameSource bool
	forgotten  int
	committed  int
}

var errBusy = fault.New(fault.Conflict, "a run is at work")

func mark(id string) store.Write {
	return store.Write{Collection: store.Collection{Kind: "state", Scope: "test"}, Doc: store.Doc{ID: id}, Any: true}
}

func (r *runs) Redefine(_ context.Context, id string, sameSource bool) ([]store.Write, error) {
	if r.busy {
		return nil, errBusy
	}
	r.redefined++
	r.sameSource = sameSource
	return []store.Write{mark(id)}, nil
}

func (r *runs) Forget(_ context.Context, id string) ([]store.Write, error) {
	if r.busy {
		return nil, errBusy
	}
	r.forgotten++
	w := mark(id)
	w.Delete = true
	return []store.Write{w}, nil
}

func (r *runs) Committed(context.Context, []store.Write) { r.committed++ }

func newWorld(t *testing.T) *world {
	st := drivertest.SQLite(t)
	w := &world{t: t, docs: st, runs: new(runs), now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	ids := 0
	w.defs = definition.New(definition.Options{
		Docs: st, Runs: w.runs, Now: func() time.Time { return w.now },
		Kinds: source.NewRegistry(source.Kind{
			Name:  "table",
			Check: func(source.Datasource) []fault.Detail { return nil },
		}),
		Random:  func() string { ids++; return fmt.Sprint("id-", ids) },
		Changed: func(id string) { w.changed = append(w.changed, id) },
	})
	return w
}

func newSync() *definition.Sync {
	return &definition.Sync{
		ID: "s", OrgID: "acme", Type: definition.Both, Frequency: "hourly",
		Datasource: source.Datasource{Type: "table", URL: "https://example.org", SelectedDatatypes: []string{"item"}},
	}
}

func (w *world) create(s *definition.Sync) *definition.Stored {
	w.t.Helper()
	d, err := w.defs.Create(w.t.Context(), s)
	require.NoError(w.t, err)
	return d
}

func (w *world) marked() bool {
	docs, err := w.docs.Get(w.t.Context(), mark("s").Collection, []string{"s"})
	require.NoError(w.t, err)
	return docs[0] != nil
}

func TestADefinitionIsCreatedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.create(newSync())
	require.Equal(t, `"1"`, first.ETag())
	_, err := w.defs.Create(t.Context(), newSync())
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "the id is taken")

	def := newSync()
	def.Name = "changed"
	second, err := w.defs.Update(t.Context(), "s", def, first.ETag())
	require.NoError(t, err)
	require.Equal(t, int64(2), second.Version)
	require.True(t, w.runs.sameSource)
	require.True(t, w.marked(), "the same commit has the runs' writes")
	_, err = w.defs.Update(t.Context(), "s", newSync(), first.ETag())
	require.Equal(t, fault.PreconditionFailed, fault.CodeOf(err))
	other := newSync()
	other.ID = "t"
	_, err = w.defs.Update(t.Context(), "s", other, "")
	require.Equal(t, fault.Invalid, fault.CodeOf(err), "an id cannot change")

	def = newSync()
	def.OrgID = "other"
	_, err = w.defs.Update(t.Context(), "s", def, "")
	require.NoError(t, err)
	require.False(t, w.runs.sameSource)

	require.Equal(t, fault.PreconditionFailed, fault.CodeOf(w.defs.Delete(t.Context(), "s", first.ETag())))
	require.NoError(t, w.defs.Delete(t.Context(), "s", ""))
	require.False(t, w.marked())
	_, err = w.defs.Get(t.Context(), "s")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	require.Equal(t, []string{"s", "s", "s", "s"}, w.changed, "once for each change")
}

// A definition cannot be changed while a run is at work. A refused change has no effect.
func TestARunAtWorkKeepsItsDefinition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(newSync())
	w.runs.busy = true
	def := newSync()
	def.Name = "changed"
	_, err := w.defs.Update(t.Context(), "s", def, "")
	require.ErrorIs(t, err, errBusy)
	require.ErrorIs(t, w.defs.Delete(t.Context(), "s", ""), errBusy)
	d, err := w.defs.Get(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, int64(1), d.Version)
	require.Len(t, w.changed, 1)
}

// A redacted definition that is sent back keeps its credentials and its source, in whatever
// order its options are.
func TestADefinitionSentBackIsTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := newSync()
	def.Datasource.Options = json.RawMessage(`{"url": "a<b", "password": "hunter2", "a": 1.0}`)
	d := w.create(def)
	shown := d.Sync.Redact()
	require.Contains(t, string(shown.Datasource.Options), credential.Redacted)
	d, err := w.defs.Update(t.Context(), "s", &shown, "")
	require.NoError(t, err)
	require.True(t, w.runs.sameSource)
	require.Contains(t, string(d.Sync.Datasource.Options), "hunter2")

	moved := d.Sync.Redact()
	moved.Datasource.URL = "https://elsewhere.example.org"
	_, err = w.defs.Update(t.Context(), "s", &moved, "")
	require.ErrorContains(t, err, "is another system")
}

func TestDefinitionsAreListedByOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, org := range []string{"acme", "other", "acme"} {
		def := newSync()
		def.ID, def.OrgID = fmt.Sprint("s", i), org
		w.create(def)
	}
	without := newSync()
	without.ID = ""
	require.Equal(t, "id-1", w.create(without).Sync.ID)
	for org, want := range map[string]int{"": 4, "acme": 3, "other": 1, "none": 0} {
		list, err := w.defs.List(t.Context(), org)
		require.NoError(t, err)
		require.Len(t, list, want, org)
	}
}

// Definitions are visited in the order of their due times; one is not due twice.
func TestByDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id, frequency := range map[string]string{"weekly": "weekly", "hourly": "hourly", "never": "", "daily": "daily"} {
		def := newSync()
		def.ID, def.Frequency = id, frequency
		w.create(def)
	}
	visit := func() (ids []string) {
		require.NoError(t, w.defs.ByDue(t.Context(), func(d *definition.Stored) error {
			ids = append(ids, d.Sync.ID)
			return nil
		}))
		return ids
	}
	require.Equal(t, []string{"hourly", "daily", "weekly"}, visit())
	w.now = w.now.Add(30 * 24 * time.Hour)
	enough := errors.New("enough")
	err := w.defs.ByDue(t.Context(), func(d *definition.Stored) error {
		due := d.Due()
		require.Equal(t, "due-20260304T060000Z", d.RunID(due))
		require.NoError(t, w.defs.Started(t.Context(), d, due, w.now))
		return enough
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, []string{"daily", "weekly", "hourly"}, visit())
}

// A due time that was planned by a clock that was ahead is planned again, and its run gets
// another id.
func TestReplan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	right := w.now
	w.now = right.Add(10 * 24 * time.Hour)
	d := w.create(newSync())
	ahead := d.RunID(d.Due())
	require.NoError(t, w.defs.Replan(t.Context(), d, w.now), "the plan is right and stays")
	require.Zero(t, d.Replanned)
	d, err := w.defs.Get(t.Context(), "s")
	require.NoError(t, err)
	require.NoError(t, w.defs.Replan(t.Context(), d, right))
	d, err = w.defs.Get(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, right.Truncate(time.Hour).Add(time.Hour), d.Due())
	require.NotEqual(t, ahead, d.RunID(d.Due()))
	require.Equal(t, int64(1), d.Replanned)
}

func TestOthersPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.create(newSync())
	puller, stranger := newSync(), newSync()
	puller.ID, puller.Type = "puller", definition.Pull
	stranger.ID, stranger.OrgID = "stranger", "other"
	w.create(puller)
	w.create(stranger)
	others := w.defs.Others(&d.Sync)
	push := func() bool {
		yes, err := others.Push(t.Context(), "item")
		require.NoError(t, err)
		return yes
	}
	require.False(t, push())
	pusher := newSync()
	pusher.ID = "pusher"
	w.create(pusher)
	require.False(t, push(), "the others are cached for a moment")
	w.now = w.now.Add(time.Minute)
	require.True(t, push())
}

// Whatever is wrong with an update is said at once: another id, credentials that would go
// to another system, and values that break a rule.
func TestAllFaultsOfAnUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	def := newSync()
	def.ID, def.Datasource.URL, def.Datasource.Options = "s", "https://a.example", json.RawMessage(`{"password":"hunter2"}`)
	_, err := w.defs.Create(t.Context(), def)
	require.NoError(t, err)
	other := newSync()
	other.ID, other.Type, other.Datasource.URL, other.Datasource.Options = "t", "sideways", "https://b.example", json.RawMessage(`{"password":"REDACTED"}`)
	_, err = w.defs.Update(t.Context(), "s", other, "")
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	var paths []string
	for _, d := range f.Details {
		paths = append(paths, d.Path)
	}
	require.Equal(t, []string{"id", "datasource.url", "type"}, paths)
}

package definition_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// started returns the service of a process whose configuration declares the definitions.
func (w *world) started(declared ...*definition.Sync) *definition.Service {
	return w.startedOn(w.docs, declared...)
}

func (w *world) startedOn(docs store.Docs, declared ...*definition.Sync) *definition.Service {
	return definition.New(definition.Options{
		Docs: docs, Runs: w.runs, Declared: declared,
		Kinds: source.NewRegistry(source.Kind{Name: "table", Check: func(source.Datasource) []fault.Detail { return nil }}),
	})
}

func declaredSync(change func(*definition.Sync)) *definition.Sync {
	def := newSync()
	def.ID = "wells"
	if change != nil {
		change(def)
	}
	return def
}

// The configuration owns what it declares: it is stored at the start, changed with the
// configuration, and refused to requests.
func TestTheConfigurationOwnsWhatItDeclares(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.started(declaredSync(nil))
	changed, abandoned, err := one.Declare(t.Context())
	require.NoError(t, err)
	require.Equal(t, []definition.Outcome{{ID: "wells"}}, changed)
	require.Empty(t, abandoned)
	changed, _, err = one.Declare(t.Context())
	require.NoError(t, err)
	require.Empty(t, changed, "it is stored already")

	d, err := one.Get(t.Context(), "wells")
	require.NoError(t, err)
	require.Equal(t, definition.ByConfig, one.Owner(d))
	_, err = one.Create(t.Context(), declaredSync(nil))
	requireOwned(t, err)
	_, err = one.Update(t.Context(), "wells", declaredSync(func(s *definition.Sync) { s.Name = "theirs" }), "")
	requireOwned(t, err)
	requireOwned(t, one.Delete(t.Context(), "wells", ""))

	two := w.started(declaredSync(func(s *definition.Sync) { s.Name = "Wells" }))
	changed, _, err = two.Declare(t.Context())
	require.NoError(t, err)
	require.Equal(t, []definition.Outcome{{ID: "wells"}}, changed)
	d, err = two.Get(t.Context(), "wells")
	require.NoError(t, err)
	require.Equal(t, "Wells", d.Sync.Name)
	require.EqualValues(t, 2, d.Version)
	require.True(t, w.runs.sameSource, "cursors hold")
}

func requireOwned(t *testing.T, err error) {
	t.Helper()
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.ErrorContains(t, err, `the configuration declares the sync "wells" (in "syncs")`)
}

// What the configuration drops is not deleted, but reported until a person decides.
func TestADroppedDeclarationIsReported(t *testing.T) {
	t.Parallel()
	for _, decide := range []string{"delete", "edit", "declare"} {
		w := newWorld(t)
		_, _, err := w.started(declaredSync(nil)).Declare(t.Context())
		require.NoError(t, err)

		later := w.started()
		changed, abandoned, err := later.Declare(t.Context())
		require.NoError(t, err)
		require.Empty(t, changed)
		require.Equal(t, []string{"wells"}, abandoned)
		d, err := later.Get(t.Context(), "wells")
		require.NoError(t, err)
		require.Equal(t, definition.Abandoned, later.Owner(d))

		switch decide {
		case "delete":
			require.NoError(t, later.Delete(t.Context(), "wells", ""))
		case "edit":
			_, err = later.Update(t.Context(), "wells", declaredSync(func(s *definition.Sync) { s.Name = "ours now" }), "")
			require.NoError(t, err)
		case "declare":
			later = w.started(declaredSync(nil))
		}
		_, abandoned, err = later.Declare(t.Context())
		require.NoError(t, err)
		require.Empty(t, abandoned, decide)
	}
}

// A sync that a request had defined is taken over, and its runs go on where they were.
func TestADefinitionOfARequestIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.defs.Create(t.Context(), declaredSync(nil))
	require.NoError(t, err)
	w.runs.busy = true
	same := w.started(declaredSync(nil))
	changed, _, err := same.Declare(t.Context())
	require.NoError(t, err, "the definition stays the same under the run that is at work")
	require.Equal(t, []definition.Outcome{{ID: "wells", TakenOver: true}}, changed)

	other := w.started(declaredSync(func(s *definition.Sync) { s.OrgID = "other" }), declaredSync(func(s *definition.Sync) { s.ID = "more" }))
	changed, _, err = other.Declare(t.Context())
	require.ErrorContains(t, err, `sync "wells": a run is at work`)
	require.Equal(t, []definition.Outcome{{ID: "more"}}, changed, "one that fails does not stop the others")
	w.runs.busy = false
	changed, _, err = other.Declare(t.Context())
	require.NoError(t, err)
	require.Equal(t, []definition.Outcome{{ID: "wells"}}, changed)
	require.False(t, w.runs.sameSource)
}

// A message that arrives before the process has stored its definitions finds the sync.
func TestADeclaredSyncExistsFromTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, err := w.started(declaredSync(nil)).Get(t.Context(), "wells")
	require.NoError(t, err)
	require.Equal(t, "wells", d.Sync.ID)
}

// Two instances that start together agree.
func TestInstancesDeclareTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	docs := &overtaken{Docs: w.docs}
	docs.before = func() {
		_, _, err := w.started(declaredSync(nil)).Declare(t.Context())
		require.NoError(t, err)
	}
	s := w.startedOn(docs, declaredSync(nil))
	_, _, err := s.Declare(t.Context())
	require.NoError(t, err)
	d, err := s.Get(t.Context(), "wells")
	require.NoError(t, err)
	require.EqualValues(t, 1, d.Version)
}

// overtaken lets another process commit just before the first commit.
type overtaken struct {
	store.Docs
	before func()
}

func (o *overtaken) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	if before := o.before; before != nil {
		o.before = nil
		before()
	}
	return o.Docs.Commit(ctx, writes)
}

// Unknown fields, wrong values and redaction marks of all declared definitions are
// reported at once, at their places in the configuration.
func TestFaultsOfDeclaredDefinitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, faults := definition.Declared([]json.RawMessage{
		[]byte(`{"id":"a","orgId":"o","typ":"pull","datasource":{"type":"table","selectedDatatypes":["x"],"options":{"password":"REDACTED"}}}`),
		[]byte(`{"id":"b","type":"sideways","maxRejected":7,"datasource":{"type":"table","selectedDatatypes":["x"]}}`),
		[]byte(`3`),
	}, w.defs.Check)
	var paths []string
	for _, f := range faults {
		paths = append(paths, f.Path)
	}
	require.Equal(t, []string{
		"$.syncs[0].typ", "$.syncs[0].type", "$.syncs[0].datasource.options.password",
		"$.syncs[1].orgId", "$.syncs[1].type", "$.syncs[1].maxRejected",
		"$.syncs[2]",
	}, paths, "%v", faults)
}

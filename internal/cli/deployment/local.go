package deployment

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// takeOverPause is the pause between two looks of a process that follows the run of
// another one. Each look tells whether that other process died.
const takeOverPause = 500 * time.Millisecond

// openStore works on a store that this process has open.
type openStore struct {
	definitions *definition.Service
	syncs       *syncrun.Service
	audit       *audit.Service
	closeStore  func()
}

// Local returns the deployment in a store that this process has open. What it changes has
// entries in the audit. Its Close calls closeStore.
func Local(definitions *definition.Service, syncs *syncrun.Service, acts *audit.Service, closeStore func()) Deployment {
	return &openStore{definitions, syncs, acts, closeStore}
}

// act does an act of the person at the terminal, in a commit that has its entry.
func (l *openStore) act(ctx context.Context, action, id string, detail map[string]string, do func(ctx context.Context) error) error {
	one := audit.Act{Who: "local", Action: action, Object: "/sync/" + url.PathEscape(id), Detail: detail}
	return l.audit.Do(ctx, audit.InCommit, one, do)
}

func (l *openStore) Close() { l.closeStore() }

func (l *openStore) Syncs(ctx context.Context) ([]Listed, error) {
	list, err := l.definitions.List(ctx, "")
	if err != nil {
		return nil, Plain(err)
	}
	shown := make([]Listed, len(list))
	for i, d := range list {
		shown[i] = Listed{d.Sync.Redact(), l.definitions.Owner(d)}
	}
	return shown, nil
}

func (l *openStore) Check(_ context.Context, text []byte) error {
	def, err := l.definitions.Decode(text)
	if err != nil {
		return Plain(err)
	}
	return faultsOf(l.definitions.Check(def))
}

func (l *openStore) Plan(ctx context.Context, def *definition.Sync) (*Plan, error) {
	old, err := l.definitions.Get(ctx, def.ID)
	if fault.CodeOf(err) == fault.NotFound {
		return &Plan{ID: def.ID, Result: Created}, nil
	}
	if err != nil {
		return nil, Plain(err)
	}
	changes, err := changesOf(&old.Sync, def)
	if err != nil || len(changes) == 0 {
		return &Plan{ID: def.ID, Result: Unchanged}, err
	}
	return &Plan{ID: def.ID, Result: Changed, Changes: changes}, Plain(l.definitions.MayChange(def.ID))
}

func (l *openStore) Apply(ctx context.Context, def *definition.Sync) (Applied, error) {
	old, err := l.definitions.Get(ctx, def.ID)
	if fault.CodeOf(err) == fault.NotFound {
		return Created, Plain(l.act(ctx, "createSync", def.ID, nil, func(ctx context.Context) error {
			_, err := l.definitions.Create(ctx, def)
			return err
		}))
	}
	if err != nil {
		return "", Plain(err)
	}
	same, err := sameDefinition(def, &old.Sync)
	if err != nil || same {
		return Unchanged, err
	}
	return Changed, Plain(l.act(ctx, "updateSync", def.ID, nil, func(ctx context.Context) error {
		_, err := l.definitions.Update(ctx, def.ID, def, "")
		return err
	}))
}

func (l *openStore) Delete(ctx context.Context, id string) error {
	return Plain(l.act(ctx, "deleteSync", id, nil, func(ctx context.Context) error { return l.definitions.Delete(ctx, id, "") }))
}

func (l *openStore) Run(ctx context.Context, id string, o Options, w Watch) (*syncrun.Run, error) {
	def, err := l.definitions.Get(ctx, id)
	if err != nil {
		return nil, Plain(err)
	}
	var run *syncrun.Run
	err = l.act(ctx, "runSync", id, o.detail(), func(ctx context.Context) (err error) {
		if run, err = l.syncs.Start(ctx, id, syncrun.Start{Trigger: "command", Method: o.Method, AllowDeletes: o.AllowDeletes}); err == nil {
			audit.Note(ctx, "runId", run.ID)
		}
		return err
	})
	busy, ok := errors.AsType[*syncrun.Busy](err)
	switch {
	case ok && busy.Run.Method == o.effectiveMethod(&def.Sync):
		// The user did not ask for a run of another method, so we must not continue it.
		w.Say("run %s is under way elsewhere, or its process died a moment ago: going on with it", busy.Run.ID)
		run, err = l.takeOver(ctx, busy.Run, w)
	case err == nil:
		run, err = l.syncs.Wait(ctx, id, run.ID, w.Show)
	}
	if err != nil {
		return nil, Plain(err)
	}
	if !run.State.Ended() {
		return run, fmt.Errorf("stopped: run it again to continue run %s", run.ID)
	}
	return run, nil
}

// takeOver works on a run that another process began, as soon as that process has lost
// its lease, and shows it until then.
func (l *openStore) takeOver(ctx context.Context, run *syncrun.Run, w Watch) (*syncrun.Run, error) {
	for {
		if err := l.syncs.Work(ctx, run.SyncID, run.ID); err != nil {
			return nil, err
		}
		now, err := l.syncs.Run(context.WithoutCancel(ctx), run.SyncID, run.ID)
		if err != nil || now.State.Ended() || ctx.Err() != nil {
			return now, err
		}
		w.Show(now)
		select {
		case <-ctx.Done():
		case <-time.After(takeOverPause):
		}
	}
}

// detail returns the options that the audit keeps, as a request's parameters.
func (o Options) detail() map[string]string {
	out := map[string]string{}
	if o.Method != "" {
		out["method"] = string(o.Method)
	}
	if o.AllowDeletes {
		out["allowDeletes"] = "true"
	}
	return out
}

func (l *openStore) Runs(ctx context.Context, id string) ([]*syncrun.Run, error) {
	runs, err := l.syncs.Runs(ctx, id, latestRuns)
	return runs, Plain(err)
}

func (l *openStore) Rejects(ctx context.Context, id string) ([]*syncrun.Rejected, error) {
	all := []*syncrun.Rejected{}
	for after := ""; ; {
		list, next, err := l.syncs.Rejects(ctx, id, after, 500)
		if err != nil {
			return nil, Plain(err)
		}
		all = append(all, list...)
		if after = next; next == "" {
			return all, nil
		}
	}
}

func (l *openStore) Relink(ctx context.Context, id string, confirmed bool) (*syncrun.Relinking, error) {
	done, err := l.syncs.Relink(ctx, id, confirmed)
	return done, Plain(err)
}

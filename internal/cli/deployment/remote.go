package deployment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/definition"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

const (
	// maxFailures bounds how many calls in a row may fail while a run is followed: its
	// server may restart. With the pauses between them, that is about twenty seconds.
	maxFailures  = 10
	failurePause = 2 * time.Second
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second

	rejectsPage = 500
)

// remote works on a server.
type remote struct {
	c *Client
	// failurePause is the pause after a call that failed.
	failurePause time.Duration
}

// At returns the deployment that the client calls. Its Close closes the client.
func At(c *Client) Deployment { return &remote{c, failurePause} }

// stored is a definition as the server shows it.
type stored struct {
	Sync  definition.Sync  `json:"sync"`
	Owner definition.Owner `json:"owner"`
}

func pathOf(id string, more ...string) string {
	p := "/sync/" + url.PathEscape(id)
	for _, m := range more {
		p += "/" + url.PathEscape(m)
	}
	return p
}

func (r *remote) Close() { r.c.Close() }

func (r *remote) Syncs(ctx context.Context) ([]Listed, error) {
	var list struct{ Syncs []stored }
	if err := r.c.Do(ctx, http.MethodGet, "/sync", nil, &list); err != nil {
		return nil, err
	}
	out := make([]Listed, len(list.Syncs))
	for i, s := range list.Syncs {
		out[i] = Listed{s.Sync, s.Owner}
	}
	return out, nil
}

func (r *remote) Check(ctx context.Context, text []byte) error {
	a, err := r.c.request(ctx, http.MethodPost, "/sync/check", http.Header{"Content-Type": {"application/json"}}, text)
	if err != nil {
		return err
	}
	var checked struct{ Errors []fault.Detail }
	if err := r.c.read(a, &checked); err != nil {
		return err
	}
	return faultsOf(checked.Errors)
}

func (r *remote) Plan(ctx context.Context, def *definition.Sync) (*Plan, error) {
	a, err := r.c.call(ctx, http.MethodGet, pathOf(def.ID), nil)
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusNotFound {
		return &Plan{ID: def.ID, Result: Created}, nil
	}
	var old stored
	if err := r.c.read(a, &old); err != nil {
		return nil, err
	}
	shown := def.Redact()
	p := &Plan{ID: def.ID, Result: Unchanged}
	if p.Changes, err = changesOf(&old.Sync, &shown); err != nil {
		return nil, err
	}
	open, err := sameDefinition(&shown, def)
	if err != nil {
		return nil, err
	}
	if !open {
		p.Note = sentAgain
	}
	if len(p.Changes) > 0 || !open {
		p.Result = Changed
	}
	if p.Result == Changed && old.Owner == definition.ByConfig {
		return nil, errors.New(definition.DeclaredMessage(def.ID))
	}
	return p, nil
}

func (r *remote) Apply(ctx context.Context, def *definition.Sync) (Applied, error) {
	a, err := r.c.call(ctx, http.MethodGet, pathOf(def.ID), nil)
	if err != nil {
		return "", err
	}
	if a.status == http.StatusNotFound {
		return Created, r.c.Do(ctx, http.MethodPost, "/sync", def, nil)
	}
	var old stored
	if err := r.c.read(a, &old); err != nil {
		return "", err
	}
	// The server shows no credentials, so one of them may have changed although both
	// definitions look the same. So a definition with credentials is always sent.
	shown := def.Redact()
	same, err := sameDefinition(&shown, &old.Sync)
	if err != nil {
		return "", err
	}
	open, err := sameDefinition(&shown, def)
	if err != nil || same && open {
		return Unchanged, err
	}
	return Changed, r.c.Do(ctx, http.MethodPut, pathOf(def.ID), def, nil)
}

func (r *remote) Delete(ctx context.Context, id string) error {
	return r.c.Do(ctx, http.MethodDelete, pathOf(id), nil, nil)
}

func (r *remote) Run(ctx context.Context, id string, o Options, w Watch) (*syncrun.Run, error) {
	run, err := r.start(ctx, id, o, w)
	if err != nil {
		return nil, err
	}
	run, err = r.follow(ctx, run, w)
	if err == nil && !run.State.Ended() {
		err = fmt.Errorf("run %s continues at %s", run.ID, r.c.base)
	}
	return run, err
}

// start returns the run that it started, or the one of the same method that is under
// way.
func (r *remote) start(ctx context.Context, id string, o Options, w Watch) (*syncrun.Run, error) {
	q := url.Values{}
	if o.Method != "" {
		q.Set("method", string(o.Method))
	}
	if o.AllowDeletes {
		q.Set("allowDeletes", "true")
	}
	a, err := r.c.call(ctx, http.MethodPost, pathOf(id, "run")+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	busy := a.header.Get("Location")
	run := new(syncrun.Run)
	if a.status != http.StatusConflict || busy == "" {
		return run, r.c.read(a, run)
	}
	var def stored
	if err := r.c.Do(ctx, http.MethodGet, pathOf(id), nil, &def); err != nil {
		return nil, err
	}
	runID, err := url.PathUnescape(path.Base(busy))
	if err != nil {
		return nil, r.c.refusal(a)
	}
	if err := r.c.Do(ctx, http.MethodGet, pathOf(id, "runs", runID), nil, run); err != nil {
		return nil, err
	}
	if run.Method != o.effectiveMethod(&def.Sync) { // the user asked for another method
		return nil, r.c.refusal(a)
	}
	w.Say("run %s is under way already: following it", run.ID)
	return run, nil
}

// follow returns the run once it has ended. If ctx ends first, it returns the last state
// that it saw. It survives a restart of the server.
func (r *remote) follow(ctx context.Context, run *syncrun.Run, w Watch) (*syncrun.Run, error) {
	pause, failures := firstPause, 0
	for !run.State.Ended() {
		w.Show(run)
		wait := pause
		if failures > 0 {
			wait = r.failurePause
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return run, nil
		}
		pause = min(pause*3/2, longestPause)
		now := new(syncrun.Run)
		a, err := r.c.call(ctx, http.MethodGet, pathOf(run.SyncID, "runs", run.ID), nil)
		if err == nil && a.status < 500 {
			if err := r.c.read(a, now); err != nil {
				return run, err
			}
			run, failures = now, 0
			continue
		}
		if ctx.Err() != nil {
			return run, nil
		}
		if err == nil {
			err = r.c.refusal(a)
		}
		if failures++; failures == maxFailures {
			return run, fmt.Errorf("run %s may continue, but it cannot be followed: %w", run.ID, err)
		}
	}
	return run, nil
}

func (r *remote) Runs(ctx context.Context, id string) ([]*syncrun.Run, error) {
	var list struct{ Runs []*syncrun.Run }
	err := r.c.Do(ctx, http.MethodGet, pathOf(id, "runs")+"?limit="+strconv.Itoa(latestRuns), nil, &list)
	return list.Runs, err
}

func (r *remote) Rejects(ctx context.Context, id string) ([]*syncrun.Rejected, error) {
	all := []*syncrun.Rejected{}
	q := url.Values{"limit": {strconv.Itoa(rejectsPage)}}
	for {
		var page struct {
			Rejects []*syncrun.Rejected
			Next    string
		}
		if err := r.c.Do(ctx, http.MethodGet, pathOf(id, "rejects")+"?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Rejects...)
		if page.Next == "" {
			return all, nil
		}
		q.Set("after", page.Next)
	}
}

// Relink waits for as long as it takes: the server reads all rows of the source. A call that
// breaks off is finished by another one.
func (r *remote) Relink(ctx context.Context, id string, confirmed bool) (*syncrun.Relinking, error) {
	path := pathOf(id, "relink")
	if confirmed {
		path += "?confirm=true"
	}
	done := new(syncrun.Relinking)
	if err := r.c.patient().Do(ctx, http.MethodPost, path, nil, done); err != nil {
		return nil, err
	}
	return done, nil
}

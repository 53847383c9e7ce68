package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/live"
	"github.com/headgate/headgate/internal/platform/fault"
)

// DraftType is the live entity of drafts; its id is the draft's name.
const DraftType = "drafts"

// Drafts returns the use case of drafts.
func (a *App) Drafts() *draft.Service { return a.drafts }

func (a *App) newDrafts() {
	a.looks.going = make(map[string]bool)
	a.looks.stopped, a.looks.stop = context.WithCancel(context.Background())
	sources := make(map[string]draft.Source)
	for _, d := range a.o.Config.Drafts {
		sources[d.Name] = a.draftSource(d)
	}
	a.drafts = draft.NewService(draft.Options{Docs: a.o.Store, Sources: sources, Now: a.o.Now, Changed: func(ctx context.Context, name string) {
		if err := a.Notify(ctx, []live.Key{{Org: live.DefaultOrg, Type: DraftType, ID: name}}); err != nil {
			a.o.Log.Warn("not every instance heard of a draft's change: a comparison of versions makes up for it", "draft", name, "error", err)
		}
	}})
}

func (a *App) draftSource(d config.Draft) draft.Source {
	switch {
	case d.Records != nil:
		return recordsOf{a.ents, d.Records.OrgID, d.Records.Type}
	case d.Sync != nil:
		return tableOf{a.rows.Table(d.Sync.ID, d.Sync.Datatype)}
	}
	client := a.o.HooksHTTP
	if client == nil {
		client = http.DefaultClient
	}
	return &draft.External{HTTP: client, URL: strings.TrimRight(d.ExternalData.URL, "/"), List: listOf(d)}
}

// listOf is a list's name at its external-data service.
func listOf(d config.Draft) string { return cmp.Or(d.ExternalData.List, d.Name) }

// refreshTime bounds a look at a draft's source.
const refreshTime = 10 * time.Second

// looks says which drafts' sources are being looked at.
type looks struct {
	mu      sync.Mutex
	going   map[string]bool // by draft; true: and once more
	stopped context.Context
	stop    context.CancelFunc
}

// begin is whether nobody looks yet; who does looks once more then.
func (l *looks) begin(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, going := l.going[name]
	l.going[name] = going
	return !going
}

// again is whether something changed since the look began.
func (l *looks) again(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.going[name] && l.stopped.Err() == nil {
		l.going[name] = false
		return true
	}
	delete(l.going, name)
	return false
}

// refreshDrafts fetches the drafts whose source changed: once for all who look, and
// for all changes that come while it is being fetched once more. It goes on when ctx
// is cancelled: who asked may be gone, those who look are not.
func (a *App) refreshDrafts(ctx context.Context, concerns func(config.Draft) bool) {
	for _, d := range a.o.Config.Drafts {
		if d.Echo || !concerns(d) || !a.looks.begin(d.Name) {
			continue
		}
		for again := true; again; again = a.looks.again(d.Name) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
			stop := context.AfterFunc(a.looks.stopped, cancel)
			if _, err := a.drafts.Refresh(ctx, d.Name); err != nil {
				a.o.Log.Warn("a draft does not show yet what changed at its source", "draft", d.Name, "error", err)
			}
			stop()
			cancel()
		}
	}
}

// anyDraft is every draft: its source may have changed while we were not there.
func anyDraft(config.Draft) bool { return true }

// showsList is whether a draft is of that list.
func showsList(list string) func(config.Draft) bool {
	return func(d config.Draft) bool { return d.ExternalData != nil && listOf(d) == list }
}

// showsRecords is whether a draft is of those records, or of what a sync makes them of.
func (a *App) showsRecords(ctx context.Context, org, recordType string) func(config.Draft) bool {
	return func(d config.Draft) bool {
		switch {
		case d.Records != nil:
			return d.Records.OrgID == org && d.Records.Type == recordType
		case d.Sync != nil && d.Sync.Datatype == recordType:
			def, err := a.defs.Get(ctx, d.Sync.ID)
			if err != nil { // in doubt the draft is looked at
				return fault.CodeOf(err) != fault.NotFound
			}
			return def.Sync.OrgID == org
		}
		return false
	}
}

// draftResolver has drafts, whole.
type draftResolver struct{ drafts *draft.Service }

func (draftResolver) PerSecret() bool { return false }

func (r draftResolver) Resolve(ctx context.Context, k live.Key, _ string) (live.State, error) {
	v, err := r.drafts.Get(ctx, k.ID)
	switch fault.CodeOf(err) {
	case "":
	case fault.NotFound:
		return live.State{Gone: true}, nil
	default:
		return live.State{}, err
	}
	row, err := json.Marshal(v)
	return live.State{Version: fmt.Sprint(v.Version), Rows: [][]byte{row}}, err
}

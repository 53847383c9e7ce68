package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/entity"
	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/live"
)

// DraftType is the live entity of drafts; its id is the draft's name.
const DraftType = "drafts"

// Drafts returns the use case of drafts.
func (a *App) Drafts() *draft.Service { return a.drafts }

func (a *App) newDrafts() {
	client := a.o.HooksHTTP
	if client == nil {
		client = http.DefaultClient
	}
	sources := make(map[string]draft.Source)
	for _, d := range a.o.Config.Drafts {
		if d.Records != nil {
			sources[d.Name] = recordsOf{a.ents, d.Records.OrgID, d.Records.Type}
			continue
		}
		list := d.ExternalData.List
		if list == "" {
			list = d.Name
		}
		sources[d.Name] = &draft.External{HTTP: client, URL: strings.TrimRight(d.ExternalData.URL, "/"), List: list}
	}
	a.drafts = draft.NewService(draft.Options{Docs: a.o.Store, Sources: sources, Now: a.o.Now, Changed: func(ctx context.Context, name string) {
		if err := a.Notify(ctx, []live.Key{{Org: live.DefaultOrg, Type: DraftType, ID: name}}); err != nil {
			a.o.Log.Warn("not every instance heard of a draft's change: a comparison of versions makes up for it", "draft", name, "error", err)
		}
	}})
}

// refreshDrafts fetches the drafts whose source changed: once for all who look.
func (a *App) refreshDrafts(ctx context.Context, concerns func(list string, records *recordsOf) bool) {
	for _, d := range a.o.Config.Drafts {
		var list string
		var records *recordsOf
		if d.Records != nil {
			records = &recordsOf{orgID: d.Records.OrgID, typ: d.Records.Type}
		} else if list = d.ExternalData.List; list == "" {
			list = d.Name
		}
		if d.Echo || !concerns(list, records) {
			continue
		}
		if _, err := a.drafts.Refresh(ctx, d.Name); err != nil {
			a.o.Log.Warn("a draft does not show yet what changed at its source", "draft", d.Name, "error", err)
		}
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

// recordsOf are the records of a type as a draft's source.
type recordsOf struct {
	records *entity.Service
	orgID   string
	typ     string
}

// maxRows is how many rows a draft may have.
const maxRows = 2000

func (r recordsOf) list(ctx context.Context) ([]*entity.Entity, error) {
	all, next, err := r.records.List(ctx, r.orgID, r.typ, "", maxRows, false)
	if err == nil && next != "" {
		err = fault.New(fault.TooLarge, "there are more than %d records of type %s, which is the most for a draft", maxRows, r.typ)
	}
	return all, err
}

// Fetch implements draft.Source.
func (r recordsOf) Fetch(ctx context.Context) (draft.Rows, string, error) {
	all, err := r.list(ctx)
	if err != nil {
		return nil, "", err
	}
	rows, versions := make(draft.Rows, len(all)), make(map[string]int64, len(all))
	for _, e := range all {
		var row draft.Row
		if err := json.Unmarshal(e.Data, &row); err != nil {
			return nil, "", err
		}
		rows[e.ID], versions[e.ID] = row, e.Version
	}
	text, err := json.Marshal(versions)
	return rows, string(text), err
}

// Save implements draft.Source: each record that changed, if it is as it was seen.
func (r recordsOf) Save(ctx context.Context, rows, seen draft.Rows, version string) error {
	var versions map[string]int64
	if err := json.Unmarshal([]byte(version), &versions); err != nil {
		return err
	}
	tag := func(id string) string { return fmt.Sprintf("%q", fmt.Sprint(versions[id])) }
	for id, row := range rows {
		before, there := seen[id]
		if there && same(row, before) {
			continue
		}
		match := ""
		if there {
			match = tag(id)
		}
		if _, _, err := r.records.Put(ctx, r.orgID, r.typ, id, row, match, !there); err != nil {
			return moved(err)
		}
	}
	for id := range seen {
		if _, kept := rows[id]; kept {
			continue
		}
		if err := r.records.Delete(ctx, r.orgID, r.typ, id, tag(id)); err != nil && fault.CodeOf(err) != fault.NotFound {
			return moved(err)
		}
	}
	return nil
}

func moved(err error) error {
	if fault.CodeOf(err) == fault.PreconditionFailed {
		return draft.ErrMoved
	}
	return err
}

func same(a, b draft.Row) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

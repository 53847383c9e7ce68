package flow

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/sync/exchange"
)

// DraftSource returns the source that a draft's configuration names. client calls
// external-data services; nil refuses every call.
func DraftSource(d config.Draft, records *entity.Service, rows *exchange.Service, client *http.Client) draft.Source {
	switch {
	case d.Records != nil:
		return recordsOf{records, d.Records.OrgID, d.Records.Type}
	case d.Sync != nil:
		return tableOf{rows.Table(d.Sync.ID, d.Sync.Datatype)}
	}
	return &draft.External{HTTP: outbound.OrRefuse(client), URL: strings.TrimRight(d.ExternalData.URL, "/"), List: listOf(d)}
}

// listOf returns a list's name at its external-data service.
func listOf(d config.Draft) string { return cmp.Or(d.ExternalData.List, d.Name) }

// refreshTime bounds one reading of a draft's source.
const refreshTime = 10 * time.Second

// refreshDrafts reads the sources of the drafts that are concerned. Changes that come
// while a source is read cause one more reading, not one each. It continues when ctx is
// cancelled: the request that changed something may be over, but the draft's viewers wait.
func (f *Flow) refreshDrafts(ctx context.Context, concerned func(config.Draft) bool) {
	for _, d := range f.o.Config.Drafts {
		if d.Echo || !concerned(d) {
			continue
		}
		f.refreshes.do(d.Name, func(stopped context.Context) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
			defer cancel()
			defer context.AfterFunc(stopped, cancel)()
			if _, err := f.use.Drafts.Refresh(ctx, d.Name); err != nil {
				f.o.Log.Warn("a draft's source could not be read, so the draft does not show its latest changes", "draft", d.Name, "error", err)
			}
		})
	}
}

func everyDraft(config.Draft) bool { return true }

// showsList returns the condition that a draft shows the list.
func showsList(list string) func(config.Draft) bool {
	return func(d config.Draft) bool { return d.ExternalData != nil && listOf(d) == list }
}

// showsRecords returns the condition that a draft shows records of the type, either
// directly or through a sync.
func (f *Flow) showsRecords(ctx context.Context, org, recordType string) func(config.Draft) bool {
	return func(d config.Draft) bool {
		switch {
		case d.Records != nil:
			return d.Records.OrgID == org && d.Records.Type == recordType
		case d.Sync != nil && d.Sync.Datatype == recordType:
			def, err := f.use.Definitions.Get(ctx, d.Sync.ID)
			if err != nil { // in doubt the draft is refreshed
				return fault.CodeOf(err) != fault.NotFound
			}
			return def.Sync.OrgID == org
		}
		return false
	}
}

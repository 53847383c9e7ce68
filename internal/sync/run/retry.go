package run

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/source"
)

// A retry is a run like any other, but its rows come from the rejects instead of the
// source, and its records are those that were refused.

// retrySteps returns the steps of a retry: one for each phase and datatype with rejects.
func (e *execution) retrySteps(ctx context.Context) ([]*Step, error) {
	type key struct {
		phase    definition.Direction
		datatype string
	}
	seen := make(map[key]bool)
	steps := []*Step{}
	for after := ""; ; {
		page, next, err := e.svc.Rejects(ctx, e.def.ID, after, 500)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			if k := (key{r.Phase, r.Datatype}); !seen[k] {
				seen[k] = true
				steps = append(steps, &Step{Phase: r.Phase, Datatype: r.Datatype, State: Pending})
			}
		}
		if after = next; after == "" {
			return steps, nil
		}
	}
}

// retry pushes the records that were refused.
func (p *pusher) retry(ctx context.Context) error {
	for after := ""; ; {
		page, next, err := p.e.svc.Rejects(ctx, p.def.ID, after, 200)
		if err != nil {
			return err
		}
		var ids []string
		for _, r := range page {
			if r.Phase == definition.Push && r.Datatype == p.step.Datatype {
				ids = append(ids, r.Key)
			}
		}
		found, err := p.docs.Get(ctx, p.records.collection, ids)
		if err != nil {
			return err
		}
		var docs []store.Doc
		for _, d := range found {
			if d != nil {
				docs = append(docs, *d)
			}
		}
		if err := p.page(ctx, docs); err != nil {
			return err
		}
		if after = next; after == "" {
			p.step.State = Finished
			return p.e.checkpoint(ctx, nil, nil)
		}
	}
}

// retryReader pages through the rejected rows of a datatype.
type retryReader struct {
	rejects  *rejectList
	datatype string
	after    string // the id of the reject that was read last
	size     int
	ids      []string // of the rejects on the page that was read last
}

// Close implements [source.Reader].
func (r *retryReader) Close() error { return nil }

// Next implements [source.Reader].
func (r *retryReader) Next(ctx context.Context) (source.Page, error) {
	docs, err := r.rejects.page(ctx, r.after, r.size)
	if err != nil {
		return source.Page{}, err
	}
	if len(docs) == 0 {
		return source.Page{}, io.EOF
	}
	var page source.Page
	r.ids = nil
	for _, d := range docs {
		x, err := parseRejected(d)
		if err != nil {
			return source.Page{}, err
		}
		r.after = d.ID
		if x.Phase != definition.Pull || x.Datatype != r.datatype {
			continue
		}
		r.ids = append(r.ids, x.ID)
		if row, ok := rawRow(x.Raw); ok {
			row.Line = x.Line
			page.Rows = append(page.Rows, row)
		} else { // the source could not read it as a row, and neither can we
			page.Rejects = append(page.Rejects, source.Reject{Line: x.Line, Key: x.Key, Field: x.Field, Reason: x.Reason, Raw: x.Raw})
		}
	}
	page.Resume = mustJSON(r.after)
	return page, nil
}

func rawRow(raw json.RawMessage) (source.Row, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil || m == nil {
		return source.Row{}, false
	}
	return source.RowOf(m), true
}

package simulation

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/memorystore"
)

// documents are those of the simulated gate. An alert is a document, which nobody changes:
// the gate has nobody to send it to.
type documents struct {
	*memorystore.Store
	s *simulator
}

// Commit notes the alerts that are created.
func (d *documents) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	revs, err := d.Store.Commit(ctx, writes)
	if err == nil {
		d.s.noting.Lock()
		defer d.s.noting.Unlock()
		d.s.alerted(writes)
	}
	return revs, err
}

// alerted notes the alerts among the documents, of which those of windows are written with
// their claims. The caller holds s.noting.
func (s *simulator) alerted(writes []store.Write) {
	for _, w := range writes {
		if w.Delete || w.Doc.Rev != "" || w.Collection.Kind != "alerts" {
			continue
		}
		var body map[string]any
		if json.Unmarshal(w.Doc.Body, &body) != nil {
			continue
		}
		l := &Line{At: s.time(), Kind: Alert}
		if text, ok := body["at"].(string); ok {
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.Before(l.At) {
				l.At = at
			}
		}
		l.Key, _ = body["correlationKey"].(string)
		for _, own := range []string{"id", "at", "serviceName", "correlationKey"} { // said elsewhere, or random
			delete(body, own)
		}
		l.Alert, _ = json.Marshal(body) // of values that were JSON
		s.facts.lines = append(s.facts.lines, l)
	}
}

// AlertKind returns the kind of an alert: incomplete, expired or overdue.
func (l *Line) AlertKind() string {
	var a struct{ Kind string }
	_ = json.Unmarshal(l.Alert, &a) // it was written here
	return a.Kind
}

// Lacking returns what the window lacks, or what an alert says is missing.
func (l *Line) Lacking() []Shortfall {
	if l.Kind != Alert {
		return l.Missing
	}
	var a struct{ Missing []Shortfall }
	_ = json.Unmarshal(l.Alert, &a)
	return a.Missing
}

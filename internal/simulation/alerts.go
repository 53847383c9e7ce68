package simulation

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/memorystore"
)

// documents are those of the simulated gate. An alert is a document that waits to be sent.
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

// alerted notes the alerts among the documents. The caller holds s.noting.
func (s *simulator) alerted(writes []store.Write) {
	for _, w := range writes {
		if w.Delete || w.Doc.Rev != "" || w.Collection.Kind != "alerts" || !strings.HasPrefix(w.Collection.Scope, "waiting/") {
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

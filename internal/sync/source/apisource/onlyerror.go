package apisource

import (
	"maps"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// onlyError returns the words with which an answer of success refuses a change all the same,
// or "". Some servers answer 200 with {"error": …}, and nothing of the row. If that counted
// as success, the next pull would bring the old row back, and the edit would be lost. Where
// the definition says where refusals are, only that counts. A row may have a column named
// error, so an answer that repeats a value of the row is none.
func (p *pusher) onlyError(w *write, a *rest.Answer, c source.Change) string {
	object, _ := a.Body.(map[string]any)
	if object == nil || w.Error != "" {
		return ""
	}
	sent := maps.Clone(c.Fields)
	if sent == nil {
		sent = map[string]any{}
	}
	for i, v := range c.Key {
		sent[p.spec.Key[i]] = v
	}
	if repeats(object, sent) {
		return ""
	}
	for name, v := range object {
		if inner, ok := v.(map[string]any); ok && name != "error" && repeats(inner, sent) {
			return ""
		}
	}
	return p.Words(a)
}

// repeats reports whether an object has a value of the row in the row's own column.
func repeats(object, row map[string]any) bool {
	for name, v := range row {
		if got, ok := object[name]; ok && got != nil && values(object, []string{name}) == values(map[string]any{name: v}, []string{name}) {
			return true
		}
	}
	return false
}

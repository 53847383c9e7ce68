package cli

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/printable"
	"github.com/headgate/headgate/internal/webhook/expression"
)

// hookSample is a webhook as a sender's documents show it, shortened.
type hookSample struct {
	what    string
	headers map[string]string
	body    string
}

func (s hookSample) header() http.Header {
	header := http.Header{}
	for name, v := range s.headers {
		header.Set(name, v)
	}
	return header
}

// hookSamples has the webhooks on which config check shows a hook's expressions.
var hookSamples = map[string][]hookSample{
	"github": {
		{"a push to main", map[string]string{"X-Github-Event": "push"}, `{"ref":"refs/heads/main","repository":{"id":1,"name":"Hello-World","full_name":"octocat/Hello-World","owner":{"login":"octocat"}},"head_commit":{"id":"6113728f27ae82c7b1a177c8d03f9e96e0adf246"}}`},
		{"a ping", map[string]string{"X-Github-Event": "ping"}, `{"zen":"Keep it logically awesome.","hook_id":1}`},
	},
	"gitlab":    {{"a push to main", map[string]string{"X-Gitlab-Event": "Push Hook"}, `{"object_kind":"push","ref":"refs/heads/main","project":{"id":15,"path_with_namespace":"mike/diaspora"}}`}},
	"bitbucket": {{"a push", map[string]string{"X-Event-Key": "repo:push"}, `{"repository":{"full_name":"team/repo"},"push":{"changes":[{"new":{"type":"branch","name":"main"}}]}}`}},
	"stripe":    {{"a charge", nil, `{"id":"evt_1","object":"event","type":"charge.succeeded","data":{"object":{"id":"ch_1","object":"charge"}}}`}},
	"slack":     {{"a message", nil, `{"type":"event_callback","team_id":"T1","event_id":"Ev1","event":{"type":"message","channel":"C1","user":"U1"}}`}},
	"shopify":   {{"an order", map[string]string{"X-Shopify-Topic": "orders/create", "X-Shopify-Shop-Domain": "shop.example.com"}, `{"id":1,"name":"#1001"}`}},
	"twilio":    {{"a message", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, "MessageSid=SM1&From=%2B14158675309&To=%2B18005551212&Body=hello"}},
}

// showHook writes what a hook takes, and what its expressions make of its sender's samples.
func showHook(w io.Writer, h config.Hook) {
	fmt.Fprintf(w, "ok: hook %q, %s, up to %d bytes\n", h.Name, h.Verify.Type, h.MaxBytes)
	if h.When+h.WebhookID+h.Entity == "" {
		return
	}
	for _, s := range hookSamples[h.Verify.Type] {
		fmt.Fprintf(w, "  %s: %s\n", s.what, printable.Text(outcome(h, s), ""))
	}
}

// warnOfSignals writes which entities the hook signals, on its sender's samples or on every
// webhook, although no client can get them.
func warnOfSignals(w io.Writer, cfg *config.Config, h config.Hook) {
	for _, entity := range signalled(h) {
		if warning := app.UnresolvedEntity(cfg, entity); warning != "" {
			fmt.Fprintln(w, printable.Text(fmt.Sprintf("warning: hook %q: %s", h.Name, warning), ""))
		}
	}
}

// signalled returns the entities that the hook signals, as far as that is known without a
// webhook of its own. Its expressions were checked before.
func signalled(h config.Hook) (entities []string) {
	e, err := expression.Compile(h.Entity)
	if err != nil || !h.Signal {
		return nil
	}
	if entity, constant := e.Constant(); constant {
		return []string{entity}
	}
	for _, s := range hookSamples[h.Verify.Type] {
		vars, err := expression.Of(s.header(), []byte(s.body))
		if err != nil || !meant(h, vars) {
			continue
		}
		if entity, err := e.Text(vars); err == nil && !slices.Contains(entities, entity) {
			entities = append(entities, entity)
		}
	}
	return entities
}

// meant reports whether the hook's condition holds.
func meant(h config.Hook, vars expression.Variables) bool {
	if h.When == "" {
		return true
	}
	when, err := expression.Condition(h.When)
	if err != nil {
		return false
	}
	holds, err := when.Holds(vars)
	return err == nil && holds
}

// outcome returns what a hook's expressions make of a sample. They were checked before.
func outcome(h config.Hook, s hookSample) string {
	vars, err := expression.Of(s.header(), []byte(s.body))
	if err != nil {
		return err.Error()
	}
	if h.When != "" {
		when, err := expression.Condition(h.When)
		if err != nil {
			return err.Error()
		}
		switch holds, err := when.Holds(vars); {
		case err != nil:
			return "refused with 400: when: " + err.Error()
		case !holds:
			return "dropped"
		}
	}
	words := []string{"taken"}
	for _, one := range []struct{ field, text string }{{"webhookId", h.WebhookID}, {"entity", h.Entity}, {"id", h.ID}} {
		if one.text == "" {
			continue
		}
		e, err := expression.Compile(one.text)
		if err != nil {
			return err.Error()
		}
		text, err := e.Text(vars)
		if err != nil {
			return "refused with 400: " + one.field + ": " + err.Error()
		}
		words = append(words, fmt.Sprintf("%s %q", one.field, text))
	}
	return strings.Join(words, ", ")
}

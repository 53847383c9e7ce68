package datacollect

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// settings are DataCollect's extraFields, or the same names in options.
type settings struct {
	auth                                                         string // one of methods; "": whatever is given is sent
	apiKey, workflowID, username, password, token, callbackToken string
	batch, retries                                               int
	delay, timeout                                               time.Duration
	// fields are all extraFields of a custom type, by name.
	fields  map[string]string
	adapter struct{ push, pull *endpoint }
}

// credentials returns the settings that are sent as credentials, by name.
func (s *settings) credentials() map[string]*string {
	return map[string]*string{
		"apiKey": &s.apiKey, "workflowId": &s.workflowID, "username": &s.username, "password": &s.password, "token": &s.token, "callbackToken": &s.callbackToken,
	}
}

const (
	defaultBatch   = 100
	maxBatch       = 10_000
	defaultRetries = 3
	defaultTimeout = 30 * time.Second
	maxPause       = 10 * time.Minute
)

// read returns the settings, with every fault.
func (f flavour) read(d source.Datasource) (settings, []fault.Detail) {
	s := settings{batch: defaultBatch, retries: defaultRetries, timeout: defaultTimeout}
	r := &fields{values: map[string]string{}, paths: map[string]string{}}
	adapter := r.adapter(f, d.Options)
	s.adapter.push, s.adapter.pull = adapter.Push.compile(&r.Faults, "options.adapter.push"), adapter.Pull.compile(&r.Faults, "options.adapter.pull")
	r.options(d.Options)
	for i, x := range d.ExtraFields {
		r.set(x.Name, x.Value, decode.Index("extraFields", i))
	}
	if f.custom {
		s.fields = maps.Clone(r.values)
	}
	for name, value := range s.credentials() {
		*value = r.text(name)
	}
	if auth, ok := methods[d.Auth]; ok {
		s.auth = auth
	} else {
		r.Add("auth", "must be none, basic, api-key or bearer")
	}
	s.batch = r.number("batchSize", s.batch, 1, maxBatch)
	s.retries = r.number("retryAttempts", s.retries, 0, 10)
	s.delay = time.Duration(r.number("delayBetweenBatches", 0, 0, int(maxPause.Milliseconds()))) * time.Millisecond
	s.timeout = time.Duration(r.number("timeout", int(s.timeout.Milliseconds()), 1, int(maxPause.Milliseconds()))) * time.Millisecond
	if (f.trigger && s.auth == "" || s.auth == apiKeyAuth) && s.apiKey == "" {
		r.Add("extraFields", "apiKey is required")
	}
	if s.auth == bearerAuth && s.bearer() == "" {
		r.Add("extraFields", "token is required")
	}
	if u, err := url.Parse(d.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		r.Add("url", "must be an http or https URL")
	} else if u.User != nil {
		r.Add("url", "must hold no credentials: they go into extraFields")
	}
	if !f.custom {
		for _, name := range slices.Sorted(maps.Keys(r.values)) {
			r.Add(r.paths[name], "%q is none of apiKey, workflowId, batchSize, timeout, retryAttempts, delayBetweenBatches, username, password, token, callbackToken", name)
		}
	}
	return s, r.Details()
}

// pathOf returns the option's path in the definition.
func pathOf(d source.Datasource, name string) string {
	for i, x := range d.ExtraFields {
		if x.Name == name {
			return fmt.Sprintf("extraFields[%d].value", i)
		}
	}
	return "options." + name
}

// fields has the fields of an object. Known ones are taken out one by one; those that are
// left are unknown.
type fields struct {
	decode.Faults
	values map[string]string
	paths  map[string]string
}

func (r *fields) set(name, value, path string) {
	if _, twice := r.values[name]; twice {
		r.Add(path, "%q is given twice", name)
		return
	}
	r.values[name], r.paths[name] = value, path
}

// adapter reads how a custom type is called.
func (r *fields) adapter(f flavour, raw json.RawMessage) (a Adapter) {
	var m struct {
		Adapter json.RawMessage `json:"adapter"`
	}
	if json.Unmarshal(raw, &m) != nil || m.Adapter == nil {
		return a
	}
	if !f.custom {
		r.Add("options.adapter", "is for types of your own, and %s is not one", f.name)
		return a
	}
	r.Decode("options.adapter", m.Adapter, &a)
	return a
}

func (r *fields) options(raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	var m map[string]json.RawMessage
	r.Decode("options", raw, &m)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name == "adapter" {
			continue
		}
		text := string(m[name])
		if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			r.Add(decode.Member("options", name), "must be text or a number")
			text = ""
		}
		if strings.HasPrefix(text, `"`) {
			_ = json.Unmarshal(m[name], &text) // it is a string
		}
		r.set(name, text, decode.Member("options", name))
	}
}

func (r *fields) text(name string) string {
	v := r.values[name]
	delete(r.values, name)
	return v
}

func (r *fields) number(name string, byDefault, least, most int) int {
	text, given := r.values[name]
	delete(r.values, name)
	if !given || text == "" {
		return byDefault
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < least || n > most {
		r.Add(r.paths[name], "%s must be an integer from %d to %d", name, least, most)
		return byDefault
	}
	return n
}

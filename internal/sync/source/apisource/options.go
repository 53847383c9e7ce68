package apisource

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/sync/source"
)

// options are datasource.options.
type options struct {
	resource
	Headers map[string]string // each value may refer to where it is: env:NAME, sm://…
	// PublicHeaders are the names of those whose values are no secrets.
	PublicHeaders []string
	Auth          *auth
	// TimeoutSeconds bounds a call. Default 60.
	TimeoutSeconds int
	// Types has what is different for a datatype.
	Types map[string]*resource
}

func (o *options) members() map[string]any {
	m := o.resource.members()
	m["publicHeaders"] = &o.PublicHeaders
	m["headers"], m["auth"], m["timeoutSeconds"], m["types"] = &o.Headers, nested(&o.Auth), &o.TimeoutSeconds, &o.Types
	return m
}

// public reports whether the value of that header is no secret.
func (o *options) public(header string) bool {
	return slices.ContainsFunc(o.PublicHeaders, func(name string) bool { return strings.EqualFold(name, header) })
}

// resource says how a datatype is listed and written. URLs are absolute, or
// relative to datasource.url. {type}, {id} and {column} stand for the datatype,
// the row's key and the columns of the key.
type resource struct {
	List   string // default: datasource.url
	Items  string // path to the array in an answer; "": the answer is the array
	Paging *paging
	Since  *since
	Read   *read // nil: rows are changed and deleted unseen
	Create *write
	Update *write
	Delete *write
}

func (r *resource) members() map[string]any {
	return map[string]any{
		"list": &r.List, "items": &r.Items, "paging": nested(&r.Paging), "since": nested(&r.Since), "read": nested(&r.Read),
		"create": nested(&r.Create), "update": nested(&r.Update), "delete": nested(&r.Delete),
	}
}

// paging says how the pages of a list follow each other.
type paging struct {
	// Style: none; page and offset count; cursor takes a token of the answer;
	// link follows the Link header; url follows a URL in the answer.
	Style string
	Param string // default: page, offset or cursor
	Start *int   // of page: 1; of offset: 0
	Next  string // path to the token or URL in the answer
	// More is the path to what tells whether there is another page. Without it,
	// page and offset end with an empty page, the others where nothing leads on.
	More  string
	Total string // path to how many items there are, for the progress
	// SizeParam asks for pages of Size items (100).
	SizeParam string
	Size      int
}

func (p *paging) members() map[string]any {
	return map[string]any{
		"style": &p.Style, "param": &p.Param, "start": &p.Start, "next": &p.Next, "more": &p.More, "total": &p.Total,
		"sizeParam": &p.SizeParam, "size": &p.Size,
	}
}

// counts is whether pages are asked for by their position.
func (p *paging) counts() bool { return p.Style == "page" || p.Style == "offset" }

// since says how a list is asked for what changed.
type since struct {
	Param  string
	Format string // rfc3339 (default), date, unix, unixms
}

func (s *since) members() map[string]any {
	return map[string]any{"param": &s.Param, "format": &s.Format}
}

// read says how one row is read. It is, right before it is changed or deleted.
type read struct {
	URL  string // of the row
	Item string // path to the row in the answer; "": the answer is the row
}

func (r *read) members() map[string]any { return map[string]any{"url": &r.URL, "item": &r.Item} }

// auth are credentials. Token, Username and Password may refer to where they are: env:NAME, sm://….
type auth struct {
	Type     string // bearer, basic, apiKey
	Token    string // bearer and apiKey
	Username string // basic
	Password string
	Header   string // apiKey: default X-Api-Key, unless Query is said
	Query    string // apiKey
}

func (a *auth) members() map[string]any {
	return map[string]any{
		"type": &a.Type, "token": &a.Token, "username": &a.Username, "password": &a.Password, "header": &a.Header, "query": &a.Query,
	}
}

// write says how changes are sent. A body has the columns of the key where the
// URL has none of them.
type write struct {
	URL    string // of a create, the default is that of the list
	Method string // default: POST to create, PATCH to update, DELETE to delete
	// Batch is how many rows one call takes; 1 sends an object and not an array.
	Batch    int
	Envelope string // the member of an object that the body goes into
	// Whole sends all fields of an update, as PUT always does, and not only those
	// that changed.
	Whole bool
	// Results is the path to the array of results in the answer to a batch.
	Results string
	// ID is the path to the new row's key in its result; "": the row has the key
	// that it was sent with.
	ID string
	// Error is the path to what a result says if the row was refused.
	Error string
	// IdempotencyHeader carries what lets the server know a call that it has seen,
	// and AttemptField, in every new row, what lets it know the row.
	IdempotencyHeader string
	AttemptField      string
}

func (w *write) members() map[string]any {
	return map[string]any{
		"url": &w.URL, "method": &w.Method, "batch": &w.Batch, "envelope": &w.Envelope, "whole": &w.Whole, "results": &w.Results,
		"id": &w.ID, "error": &w.Error, "idempotencyHeader": &w.IdempotencyHeader, "attemptField": &w.AttemptField,
	}
}

// size is how many rows a call takes.
func (w *write) size() int {
	if w == nil {
		return 1
	}
	return max(1, w.Batch)
}

// of returns the datatype's resource: its own, and what it leaves out from all.
func (o *options) of(datatype string) resource {
	r := o.resource
	if t := o.Types[datatype]; t != nil {
		r.List, r.Items = cmp.Or(t.List, r.List), cmp.Or(t.Items, r.Items)
		r.Paging, r.Since = cmp.Or(t.Paging, r.Paging), cmp.Or(t.Since, r.Since)
		r.Read = cmp.Or(t.Read, r.Read)
		r.Create, r.Update, r.Delete = cmp.Or(t.Create, r.Create), cmp.Or(t.Update, r.Update), cmp.Or(t.Delete, r.Delete)
	}
	return r
}

// urls are all that the options have.
func (o *options) urls() (all []string) {
	for _, r := range append(slices.Collect(maps.Values(o.Types)), &o.resource) {
		all = append(all, r.List)
		if r.Read != nil {
			all = append(all, r.Read.URL)
		}
		for _, w := range []*write{r.Create, r.Update, r.Delete} {
			if w != nil {
				all = append(all, w.URL)
			}
		}
	}
	return all
}

// section is a JSON object of the options: its members by name, each a pointer or
// what nested returns.
type section interface{ members() map[string]any }

// nested is a section that is there only if the definition has it.
func nested[T any, P interface {
	*T
	section
}](p *P) func() section {
	return func() section {
		*p = new(T)
		return *p
	}
}

// decode reads the options, with every fault of their form.
func decode(d source.Datasource) (options, []source.Fault) {
	var o options
	c := &checker{}
	if len(d.Options) > 0 {
		c.section("options", d.Options, &o)
	}
	return o, c.faults
}

// section reads an object. encoding/json would name no path, and stop at the
// first fault.
func (c *checker) section(path string, raw json.RawMessage, s section) {
	var found map[string]json.RawMessage
	if err := json.Unmarshal(raw, &found); err != nil {
		c.add(path, "must be an object")
		return
	}
	known := s.members()
	for _, name := range slices.Sorted(maps.Keys(found)) {
		at, value := path+"."+name, found[name]
		into, ok := known[name]
		switch {
		case !ok:
			c.add(at, "is not an option of api: here are %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		case string(value) == "null":
		default:
			c.member(at, value, into)
		}
	}
}

func (c *checker) member(path string, raw json.RawMessage, into any) {
	switch into := into.(type) {
	case func() section:
		c.section(path, raw, into())
	case *map[string]*resource:
		var types map[string]json.RawMessage
		if err := json.Unmarshal(raw, &types); err != nil {
			c.add(path, "must be an object")
			return
		}
		*into = make(map[string]*resource, len(types))
		for _, name := range slices.Sorted(maps.Keys(types)) {
			r := new(resource)
			c.section(path+"."+name, types[name], r)
			(*into)[name] = r
		}
	default:
		if json.Unmarshal(raw, into) != nil {
			c.add(path, "must be %s", form(into))
		}
	}
}

func form(into any) string {
	switch into.(type) {
	case *string:
		return "a string"
	case *bool:
		return "true or false"
	case *int, **int:
		return "a whole number"
	case *[]string:
		return "a list of strings"
	default:
		return "an object of strings"
	}
}

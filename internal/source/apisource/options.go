package apisource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/source"
)

// options are datasource.options.
type options struct {
	resource
	Headers map[string]string `json:"headers"`
	Auth    *auth             `json:"auth"`
	// TimeoutSeconds bounds a call. Default 60.
	TimeoutSeconds int `json:"timeoutSeconds"`
	// Types has what is different for a datatype.
	Types map[string]*resource `json:"types"`
}

// resource says how a datatype is listed and written. URLs are absolute, or
// relative to datasource.url. {type}, {id} and {column} stand for the datatype,
// the row's key and the columns of the key.
type resource struct {
	List   string  `json:"list"`  // default: datasource.url
	Items  string  `json:"items"` // path to the array in an answer; "": the answer is the array
	Paging *paging `json:"paging"`
	Since  *since  `json:"since"`
	Create *write  `json:"create"`
	Update *write  `json:"update"`
	Delete *write  `json:"delete"`
}

// paging says how the pages of a list follow each other.
type paging struct {
	// Style: none; page and offset count; cursor takes a token of the answer;
	// link follows the Link header; url follows a URL in the answer.
	Style string `json:"style"`
	Param string `json:"param"` // default: page, offset or cursor
	Start *int   `json:"start"` // of page: 1; of offset: 0
	Next  string `json:"next"`  // path to the token or URL in the answer
	// SizeParam asks for pages of Size items (100).
	SizeParam string `json:"sizeParam"`
	Size      int    `json:"size"`
}

// since says how a list is asked for what changed.
type since struct {
	Param  string `json:"param"`
	Format string `json:"format"` // rfc3339 (default), date, unix, unixms
}

// auth are credentials. Each may refer to where it is: env:NAME, sm://….
type auth struct {
	Type     string `json:"type"`     // bearer, basic, apiKey
	Token    string `json:"token"`    // bearer and apiKey
	Username string `json:"username"` // basic
	Password string `json:"password"`
	Header   string `json:"header"` // apiKey: default X-Api-Key, unless Query is said
	Query    string `json:"query"`  // apiKey
}

// write says how changes are sent.
type write struct {
	URL    string `json:"url"`
	Method string `json:"method"` // default: POST to create, PATCH to update, DELETE to delete
	// Batch is how many new rows one call takes; 1 sends an object and not an array.
	Batch    int    `json:"batch"`
	Envelope string `json:"envelope"` // the member of an object that the body goes into
	// Results is the path to the array of results in the answer to a batch.
	Results string `json:"results"`
	// ID is the path to the new row's key in its result; "": the row has the key
	// that it was sent with.
	ID string `json:"id"`
	// IdempotencyHeader carries what lets the server know a call that it has seen.
	IdempotencyHeader string `json:"idempotencyHeader"`
}

var styles = []string{"none", "page", "offset", "cursor", "link", "url"}

// decode reads the options, with the first fault of their form.
func decode(d source.Datasource) (options, []source.Fault) {
	var o options
	if len(d.Options) > 0 {
		dec := json.NewDecoder(bytes.NewReader(d.Options))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&o); err != nil {
			return o, []source.Fault{formFault(err)}
		}
	}
	return o, nil
}

func formFault(err error) source.Fault {
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return source.Fault{Path: strings.TrimSuffix("options."+strings.TrimPrefix(typed.Field, "resource."), "."), Message: "a JSON " + typed.Value + " does not belong here"}
	}
	message := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(message, "unknown field "); ok {
		return source.Fault{Path: "options." + strings.Trim(name, `"`), Message: "is not an option of api"}
	}
	return source.Fault{Path: "options", Message: message}
}

// check returns all faults of a definition.
func check(d source.Datasource) []source.Fault {
	o, faults := decode(d)
	c := &checker{faults: faults, base: d.URL}
	if u, err := url.Parse(d.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		c.add("url", "must be an http or https URL")
	} else if u.User != nil {
		c.add("url", "must hold no credentials: they go into options.auth")
	}
	if d.FileURL != "" {
		c.add("fileUrl", "goes with type csv")
	}
	if o.TimeoutSeconds < 0 || o.TimeoutSeconds > 600 {
		c.add("options.timeoutSeconds", "must be from 1 to 600")
	}
	for name := range o.Headers {
		if !headerName.MatchString(name) {
			c.add("options.headers."+name, "is not the name of a header")
		}
	}
	if d.Auth != "" {
		c.add("auth", "credentials go into options.auth")
	}
	c.auth(o.Auth)
	c.resource("options", &o.resource)
	for _, name := range slices.Sorted(maps.Keys(o.Types)) {
		if r := o.Types[name]; r != nil {
			c.resource("options.types."+name, r)
		}
	}
	return c.faults
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

type checker struct {
	faults []source.Fault
	base   string
}

func (c *checker) add(path, format string, args ...any) {
	c.faults = append(c.faults, source.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) auth(a *auth) {
	if a == nil {
		return
	}
	switch a.Type {
	case "bearer", "apiKey":
		if a.Token == "" {
			c.add("options.auth.token", "is required")
		}
		if a.Header != "" && a.Query != "" {
			c.add("options.auth.query", "goes without header")
		}
		if a.Header != "" && !headerName.MatchString(a.Header) {
			c.add("options.auth.header", "is not the name of a header")
		}
	case "basic":
		if a.Username == "" {
			c.add("options.auth.username", "is required")
		}
	default:
		c.add("options.auth.type", "%q is none of bearer, basic, apiKey", a.Type)
	}
}

func (c *checker) resource(path string, r *resource) {
	c.url(path+".list", r.List)
	if p := r.Paging; p != nil {
		switch {
		case !slices.Contains(styles, p.Style):
			c.add(path+".paging.style", "%q is none of %s", p.Style, strings.Join(styles, ", "))
		case (p.Style == "cursor" || p.Style == "url") && p.Next == "":
			c.add(path+".paging.next", "is required: the path to what leads to the next page")
		}
		if p.Size < 0 || p.Size > 100_000 {
			c.add(path+".paging.size", "must be from 1 to 100000")
		}
		if p.Start != nil && *p.Start < 0 {
			c.add(path+".paging.start", "must not be negative")
		}
	}
	if s := r.Since; s != nil {
		if s.Param == "" {
			c.add(path+".since.param", "is required")
		}
		if !slices.Contains([]string{"", "rfc3339", "date", "unix", "unixms"}, s.Format) {
			c.add(path+".since.format", "%q is none of rfc3339, date, unix, unixms", s.Format)
		}
	}
	c.write(path+".create", r.Create)
	c.write(path+".update", r.Update)
	c.write(path+".delete", r.Delete)
}

func (c *checker) write(path string, w *write) {
	if w == nil {
		return
	}
	c.url(path+".url", w.URL)
	if w.Method != "" && !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, w.Method) {
		c.add(path+".method", "must be POST, PUT, PATCH or DELETE")
	}
	if w.Batch < 0 || w.Batch > 10_000 {
		c.add(path+".batch", "must be from 1 to 10000")
	}
	if w.Batch > 1 && !strings.HasSuffix(path, ".create") {
		c.add(path+".batch", "goes with create")
	}
	if w.IdempotencyHeader != "" && !headerName.MatchString(w.IdempotencyHeader) {
		c.add(path+".idempotencyHeader", "is not the name of a header")
	}
}

// url checks a template: on the host of datasource.url, for that is where the
// credentials belong.
func (c *checker) url(path, template string) {
	if template == "" {
		return
	}
	base, err := url.Parse(c.base)
	if err != nil {
		return
	}
	u, err := base.Parse(placeholder.ReplaceAllString(template, "x"))
	if err != nil {
		c.add(path, "is not a URL")
	} else if u.Scheme != base.Scheme || u.Host != base.Host {
		c.add(path, "must be on the host of url")
	}
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// of returns the datatype's resource: its own, and what it leaves out from all.
func (o *options) of(datatype string) resource {
	r := o.resource
	t := o.Types[datatype]
	if t == nil {
		return r
	}
	if t.List != "" {
		r.List = t.List
	}
	if t.Items != "" {
		r.Items = t.Items
	}
	if t.Paging != nil {
		r.Paging = t.Paging
	}
	if t.Since != nil {
		r.Since = t.Since
	}
	if t.Create != nil {
		r.Create = t.Create
	}
	if t.Update != nil {
		r.Update = t.Update
	}
	if t.Delete != nil {
		r.Delete = t.Delete
	}
	return r
}

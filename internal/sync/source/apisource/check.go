package apisource

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// check returns every fault of a definition.
func check(d source.Datasource) []fault.Detail {
	_, faults := parse(d)
	return faults
}

func parse(d source.Datasource) (options, []fault.Detail) {
	var o options
	c := &checker{}
	d.DecodeOptions(&c.Faults, &o)
	var err error
	if c.base, err = url.Parse(d.URL); err != nil || c.base.Hostname() == "" || c.base.Scheme != "https" && c.base.Scheme != "http" {
		c.Add("url", "must be an http or https URL")
		c.base = nil
	} else if c.base.User != nil {
		c.Add("url", "must hold no credentials: they go into options.auth")
		c.base.User = nil // the checks of the other URLs shall not report it again
	}
	if d.FileURL != "" {
		c.Add("fileUrl", "goes with type csv")
	}
	if d.FileFormat != "" {
		c.Add("fileFormat", "goes with type csv")
	}
	if d.Auth != "" {
		c.Add("auth", "credentials go into options.auth")
	}
	for i, e := range d.ExtraFields {
		c.Add(decode.Index("extraFields", i), "%q is not used by api: it has options", e.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Headers)) {
		c.header(decode.Member("options.headers", name), name)
	}
	c.auth(o.Auth)
	c.resource("options", &o.resource)
	for _, name := range slices.Sorted(maps.Keys(o.Types)) {
		r := o.Types[name]
		c.resource(decode.Member("options.types", name), &r)
	}
	return o, c.Details()
}

// checker applies the rules that look at more than one option.
type checker struct {
	decode.Faults
	base *url.URL // datasource.url; nil if it is not valid
}

func (c *checker) header(path, name string) {
	if !headerName.MatchString(name) {
		c.Add(path, "is not the name of a header")
	}
}

func (c *checker) auth(a *auth) {
	if a == nil {
		return
	}
	switch a.Type {
	case "bearer", "apiKey":
		if a.Token == "" {
			c.Add("options.auth.token", "is required")
		}
	case "basic":
		if a.Username == "" {
			c.Add("options.auth.username", "is required")
		}
	}
	if a.Header != "" && a.Query != "" {
		c.Add("options.auth.query", "goes without header")
	}
	if a.Header != "" {
		c.header("options.auth.header", a.Header)
	}
}

func (c *checker) resource(path string, r *resource) {
	c.url(path+".list", r.List, false)
	if p := r.Paging; p != nil {
		c.paging(path+".paging", p)
	}
	if r.Read != nil {
		c.url(path+".read.url", r.Read.URL, true)
		if !addressed(r.Read.URL) {
			c.Add(path+".read.url", "has neither {id} nor a column of the key in braces: it must be that of one row")
		}
	}
	c.write(path+".create", source.Create, r.Create)
	c.write(path+".update", source.Update, r.Update)
	c.write(path+".delete", source.Delete, r.Delete)
}

func (c *checker) paging(path string, p *paging) {
	leads := p.Style == "cursor" || p.Style == "url"
	switch {
	case p.Style == "":
	case leads && p.Next == "":
		c.Add(path+".next", "is required: the path to what leads to the next page")
	case !leads && p.Next != "":
		c.Add(path+".next", "goes with the styles cursor and url")
	}
	if p.More != "" && p.Style == "none" {
		c.Add(path+".more", "goes with another style: none asks for one page")
	}
	if p.Start != nil && (*p.Start < 0 || !p.counts()) {
		c.Add(path+".start", "must not be negative, and goes with the styles page and offset")
	}
	if p.Size > 0 && p.SizeParam == "" {
		c.Add(path+".sizeParam", "is required, to ask for size items")
	}
}

func (c *checker) write(path string, op source.Op, w *write) {
	if w == nil {
		return
	}
	c.url(path+".url", w.URL, true)
	switch {
	case w.URL == "" && op != source.Create:
		c.Add(path+".url", "is required")
	case w.httpMethod(op) == http.MethodDelete && !w.addressed():
		c.Add(path+".url", "has neither {id} nor a column of the key in braces: the whole list would be deleted")
	case w.Batch > 1 && w.addressed():
		c.Add(path+".batch", "goes with a url that is that of no single row")
	}
	if w.Whole && op != source.Update {
		c.Add(path+".whole", "goes with update")
	}
	if w.ID != "" && op != source.Create {
		c.Add(path+".id", "goes with create")
	}
	if w.AttemptField != "" && op != source.Create {
		c.Add(path+".attemptField", "goes with create")
	}
	if w.IdempotencyHeader != "" {
		c.header(path+".idempotencyHeader", w.IdempotencyHeader)
	}
}

// url checks that a template is on the host of datasource.url. The credentials belong to
// that host and are sent to no other.
func (c *checker) url(path, template string, row bool) {
	if template == "" || c.base == nil {
		return
	}
	for _, name := range names(template) {
		if name != "type" && !row {
			c.Add(path, "has {%s}, but the URL of a list can only have {type}", name)
		}
	}
	u, err := c.base.Parse(placeholder.ReplaceAllString(template, "x"))
	switch {
	case err != nil:
		c.Add(path, "is not a URL")
	case u.User != nil || !sameOrigin(u, c.base):
		c.Add(path, "must be on the host of url, and hold no credentials")
	}
}

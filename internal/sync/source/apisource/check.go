package apisource

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/sync/source"
)

var (
	styles  = []string{"none", "page", "offset", "cursor", "link", "url"}
	formats = []string{"rfc3339", "date", "unix", "unixms"}
	methods = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
)

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// check returns all faults of a definition.
func check(d source.Datasource) []source.Fault {
	o, faults := decode(d)
	c := &checker{faults: faults}
	var err error
	if c.base, err = url.Parse(d.URL); err != nil || c.base.Hostname() == "" || c.base.Scheme != "https" && c.base.Scheme != "http" {
		c.add("url", "must be an http or https URL")
		c.base = nil
	} else if c.base.User != nil {
		c.add("url", "must hold no credentials: they go into options.auth")
		c.base.User = nil // the checks of the other URLs shall not report it again
	}
	if d.FileURL != "" {
		c.add("fileUrl", "goes with type csv")
	}
	if d.FileFormat != "" {
		c.add("fileFormat", "goes with type csv")
	}
	if d.Auth != "" {
		c.add("auth", "credentials go into options.auth")
	}
	for i, e := range d.ExtraFields {
		c.add(fmt.Sprintf("extraFields[%d]", i), "%q is not used by api: it has options", e.Name)
	}
	if o.TimeoutSeconds < 0 || o.TimeoutSeconds > 600 {
		c.add("options.timeoutSeconds", "must be from 1 to 600")
	}
	for _, name := range slices.Sorted(maps.Keys(o.Headers)) {
		c.header("options.headers."+name, name)
	}
	c.auth(o.Auth)
	c.resource("options", &o.resource)
	for _, name := range slices.Sorted(maps.Keys(o.Types)) {
		c.resource("options.types."+name, o.Types[name])
	}
	return c.faults
}

type checker struct {
	faults []source.Fault
	base   *url.URL // datasource.url; nil if it is not valid
}

func (c *checker) add(path, format string, args ...any) {
	c.faults = append(c.faults, source.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) header(path, name string) {
	if !headerName.MatchString(name) {
		c.add(path, "is not the name of a header")
	}
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
	case "basic":
		if a.Username == "" {
			c.add("options.auth.username", "is required")
		}
	default:
		c.add("options.auth.type", "%q is none of bearer, basic, apiKey", a.Type)
	}
	if a.Header != "" && a.Query != "" {
		c.add("options.auth.query", "goes without header")
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
	if s := r.Since; s != nil {
		if s.Param == "" {
			c.add(path+".since.param", "is required")
		}
		if s.Format != "" && !slices.Contains(formats, s.Format) {
			c.add(path+".since.format", "%q is none of %s", s.Format, strings.Join(formats, ", "))
		}
	}
	if r.Read != nil {
		c.url(path+".read.url", r.Read.URL, true)
		if !addressed(r.Read.URL) {
			c.add(path+".read.url", "has neither {id} nor a column of the key in braces: it must be that of one row")
		}
	}
	c.write(path+".create", source.Create, r.Create)
	c.write(path+".update", source.Update, r.Update)
	c.write(path+".delete", source.Delete, r.Delete)
}

func (c *checker) paging(path string, p *paging) {
	leads := p.Style == "cursor" || p.Style == "url"
	switch {
	case !slices.Contains(styles, p.Style):
		c.add(path+".style", "%q is none of %s", p.Style, strings.Join(styles, ", "))
	case leads && p.Next == "":
		c.add(path+".next", "is required: the path to what leads to the next page")
	case !leads && p.Next != "":
		c.add(path+".next", "goes with the styles cursor and url")
	}
	if p.More != "" && p.Style == "none" {
		c.add(path+".more", "goes with another style: none asks for one page")
	}
	if p.Start != nil && (*p.Start < 0 || !p.counts()) {
		c.add(path+".start", "must not be negative, and goes with the styles page and offset")
	}
	if p.Size < 0 || p.Size > 100_000 {
		c.add(path+".size", "must be from 1 to 100000")
	}
	if p.Size > 0 && p.SizeParam == "" {
		c.add(path+".sizeParam", "is required, to ask for size items")
	}
}

func (c *checker) write(path string, op source.Op, w *write) {
	if w == nil {
		return
	}
	c.url(path+".url", w.URL, true)
	if w.Method != "" && !slices.Contains(methods, w.Method) {
		c.add(path+".method", "must be %s", strings.Join(methods, ", "))
	}
	switch {
	case w.URL == "" && op != source.Create:
		c.add(path+".url", "is required")
	case w.method(op) == http.MethodDelete && !w.addressed():
		c.add(path+".url", "has neither {id} nor a column of the key in braces: the whole list would be deleted")
	case w.Batch > 1 && w.addressed():
		c.add(path+".batch", "goes with a url that is that of no single row")
	}
	if w.Batch < 0 || w.Batch > 10_000 {
		c.add(path+".batch", "must be from 1 to 10000")
	}
	if w.Whole && op != source.Update {
		c.add(path+".whole", "goes with update")
	}
	if w.ID != "" && op != source.Create {
		c.add(path+".id", "goes with create")
	}
	if w.AttemptField != "" && op != source.Create {
		c.add(path+".attemptField", "goes with create")
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
			c.add(path, "has {%s}, but the URL of a list can only have {type}", name)
		}
	}
	u, err := c.base.Parse(placeholder.ReplaceAllString(template, "x"))
	switch {
	case err != nil:
		c.add(path, "is not a URL")
	case u.User != nil || !sameOrigin(u, c.base):
		c.add(path, "must be on the host of url, and hold no credentials")
	}
}

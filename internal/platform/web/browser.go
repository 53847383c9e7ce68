package web

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/origin"
)

// Access states what the safe methods (GET, HEAD, OPTIONS) do at a route. Every other
// method counts as Acts.
type Access int

// The kinds of access.
const (
	Reads    Access = iota // nothing changes
	Acts                   // state changes, even on GET: callers of EventSync rely on that
	Takes                  // the request may be an event
	Connects               // a live connection opens
)

// Browsers decides what web pages may do. A browser sends requests for any page that its
// user opens, and reaches every address that the user's machine reaches: loopback, the
// network of an office. A request that arrives is therefore no proof that the user wants
// it. Pages of other origins may only act if the configuration lists their origin. The
// rules do not apply to programs (curl, schedulers, webhooks), which send no origin.
type Browsers struct {
	adapter  Adapter
	cloud    bool
	ourHosts []string // configured names, in addition to those of this machine
	checked  bool     // the Host header is checked on every connection, not only on loopback
	open     bool     // no authentication is configured

	origins    map[string]bool // in normal form: cors.allowedOrigins, and our own origin
	anyOrigin  bool
	connecting []string // patterns of hosts and origins whose pages may open live connections
	anySends   bool     // pages of any origin may send events
	cors       func(http.Handler) http.Handler
	corsEvents func(http.Handler) http.Handler // for routes that take events
}

// NewBrowsers returns the rules of a configuration. Set cloud if the platform decides
// which host names lead to this process.
func NewBrowsers(cfg *config.Config, cloud bool, log *slog.Logger) *Browsers {
	b := &Browsers{
		adapter: Adapter{Log: log}, cloud: cloud, ourHosts: cfg.AllowedHosts, checked: len(cfg.AllowedHosts) > 0, open: cfg.Auth == nil,
		origins: make(map[string]bool), anySends: cfg.AnyOriginSends(),
	}
	b.own(cfg.PublicURL)
	var listed []string
	if cfg.CORS != nil {
		listed = cfg.CORS.AllowedOrigins
	}
	for _, o := range listed {
		if normal, ok := origin.Normal(o); ok {
			b.origins[normal] = true
		}
		b.anyOrigin = b.anyOrigin || o == "*"
	}
	if cfg.Live != nil {
		b.connecting = cfg.Live.AllowedOrigins
	}
	b.cors = crossOrigin(listed)
	b.corsEvents = b.cors
	if b.anySends {
		b.corsEvents = crossOrigin([]string{"*"})
	}
	return b
}

// own adds our own host and origin, as publicURL names them.
func (b *Browsers) own(publicURL string) {
	scheme, rest, ok := strings.Cut(publicURL, "://")
	if !ok {
		return
	}
	host, _, _ := strings.Cut(rest, "/")
	if normal, ok := origin.Normal(scheme + "://" + host); ok {
		b.origins[normal] = true
	}
	name, _ := origin.Split(host)
	b.ourHosts = append(b.ourHosts[:len(b.ourHosts):len(b.ourHosts)], name)
}

// Handler applies the rules about origins to h. It answers preflight requests, and
// refuses (403) requests that a page may not make. access returns what a request would
// do.
func (b *Browsers) Handler(access func(*http.Request) Access, h http.Handler) http.Handler {
	named := b.named()
	checked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := b.check(r, access); err != nil {
			b.refuse(w, r, err)
			return
		}
		if named.check(r, access) != nil {
			r = r.WithContext(context.WithValue(r.Context(), anyPageKey{}, true))
		}
		h.ServeHTTP(w, r)
	})
	others, events := b.cors(checked), b.corsEvents(checked)
	if !b.anySends {
		return others
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" && access(asked(r)) == Takes {
			events.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// FromAnyPage reports whether a request that acts or connects is allowed only because the
// configuration lets the pages of every origin do that. Such a page has to show a
// credential of its own. One that the browser adds by itself, like a cookie, proves
// nothing: the page of an attacker would be signed in as the user who opens it.
func FromAnyPage(r *http.Request) bool {
	anyPage, _ := r.Context().Value(anyPageKey{}).(bool)
	return anyPage
}

type anyPageKey struct{}

// named returns the rules with the origins that the configuration lists by name or
// pattern, without those that allow every origin.
func (b *Browsers) named() *Browsers {
	n := *b
	n.anyOrigin, n.anySends = false, false
	n.connecting = slices.DeleteFunc(slices.Clone(b.connecting), func(pattern string) bool {
		_, host, ok := strings.Cut(pattern, "://")
		return strings.Trim(pattern, "*") == "" || ok && strings.Trim(host, "*") == ""
	})
	return &n
}

func (b *Browsers) refuse(w http.ResponseWriter, r *http.Request, err error) {
	b.adapter.Handler(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r)
}

// asked returns r, or for a preflight request the request that r announces.
func asked(r *http.Request) *http.Request {
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		return r
	}
	announced := *r
	announced.Method = method
	return &announced
}

// check returns nil, or the reason why r is refused.
func (b *Browsers) check(r *http.Request, access func(*http.Request) Access) error {
	if !fromBrowser(r) {
		return nil
	}
	site, from := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	does, safe := access(r), isSafe(r.Method)
	if does == Reads && safe || does == Takes && b.anySends {
		return nil
	}
	// CrossOriginProtection lets all safe methods pass. Here safe methods may change
	// state, so the probe is a POST. It compares the Origin with the Host as text, so
	// the probe has both in normal form.
	host := r.Host
	if normal, ok := origin.Normal(from); ok {
		from = normal
		scheme, _, _ := strings.Cut(normal, "://")
		host = origin.Host(scheme, host)
	}
	probe := &http.Request{Method: http.MethodPost, Host: host, Header: http.Header{"Sec-Fetch-Site": {site}, "Origin": {from}}}
	if new(http.CrossOriginProtection).Check(probe) != nil {
		if b.trusts(from, does) {
			return nil
		}
		return foreign(from, does)
	}
	if safe && (does == Acts || does == Takes) {
		return unasked(r, site, from)
	}
	return nil
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// trusts reports whether the configuration allows the origin to do this.
func (b *Browsers) trusts(from string, does Access) bool {
	if from == "" {
		return false
	}
	if b.anyOrigin || b.origins[from] {
		return true
	}
	return does == Connects && b.connects(from)
}

// connects reports whether a pattern of live.allowedOrigins matches the origin. A pattern
// is a host with or without a port, and may begin with a scheme.
func (b *Browsers) connects(from string) bool {
	scheme, host, ok := strings.Cut(from, "://")
	hosts := []string{host}
	if _, port := origin.Split(host); port == "" {
		switch scheme {
		case "http":
			hosts = append(hosts, host+":80")
		case "https":
			hosts = append(hosts, host+":443")
		}
	}
	for _, pattern := range b.connecting {
		if pattern == "*" {
			return true
		}
		pattern = strings.ToLower(pattern)
		withScheme := strings.Contains(pattern, "://")
		for _, h := range hosts {
			if withScheme {
				h = scheme + "://" + h
			}
			if matched, err := path.Match(pattern, h); ok && matched && err == nil {
				return true
			}
		}
	}
	return false
}

// foreign returns the error for a request of a page of another origin.
func foreign(from string, does Access) error {
	page := "a page of another origin"
	if from != "" {
		page += " (" + strings.ToValidUTF8(from[:min(len(from), 200)], "") + ")"
	}
	remedy := "list its origin in cors.allowedOrigins"
	switch does {
	case Connects:
		remedy = "list its origin in live.allowedOrigins or cors.allowedOrigins"
	case Takes:
		remedy += ", or set DISABLE_CORS to let any page send events"
	}
	return fault.New(fault.Forbidden, "%s may not do this: %s", page, remedy)
}

// unasked returns an error if a request with a safe method must not change state even
// though it shows no other origin. The user may not have asked for it: a browser
// prefetches pages, and an image of another page sends a GET as well.
func unasked(r *http.Request, site, from string) error {
	switch {
	case strings.Contains(r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose"), "prefetch"):
		return fault.New(fault.Forbidden, "a browser that prefetches a page may not do this: open it again, or use POST")
	case site != "" && r.Header.Get("Sec-Fetch-Mode") == "no-cors":
		return fault.New(fault.Forbidden, "an image, a script or another part of a page may not do this: use POST")
	case site == "" && from == "":
		// A browser sends no Sec-Fetch-Site to an address that is neither https nor
		// loopback, and no Origin for an image. So this may be an image of any page.
		return fault.New(fault.Forbidden, "a browser did not say which page asked for this: use POST, or a program such as curl, or https")
	}
	return nil
}

// fromBrowser reports whether a browser sent the request for a page. It uses only
// headers that a page can neither set nor omit. (A page of another origin cannot change
// the browser's User-Agent.)
func fromBrowser(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" {
		return true
	}
	agent := r.Header.Get("User-Agent")
	if !strings.HasPrefix(agent, "Mozilla/") || program(r) {
		return false
	}
	// The User-Agent of many programs begins like a browser's. Their encodings differ:
	// over http, browsers accept exactly gzip and deflate; PowerShell accepts br as well.
	deflate, br := encodings(r)
	return hasLanguage(r) || deflate && !br && !strings.Contains(agent, "(compatible;")
}

// perhapsBrowser reports whether a browser may have sent the request. It is wider than
// fromBrowser, because a page of our own origin can change the User-Agent in some
// browsers, and a page whose name was pointed at us (DNS rebinding) counts as our own
// until its host is checked. Few programs send Accept-Language.
func perhapsBrowser(r *http.Request) bool {
	return fromBrowser(r) || hasLanguage(r) && !program(r)
}

// hasLanguage reports whether the request has an Accept-Language. Every browser sends
// one; a page can change its value, even to "", but cannot remove it.
func hasLanguage(r *http.Request) bool { return len(r.Header["Accept-Language"]) > 0 }

// program reports whether headers that pages cannot set prove that a program sent the
// request. Node's fetch sends Sec-Fetch-Mode without the Sec-Fetch-Site that a browser
// adds. Deno accepts br without the deflate that a browser accepts.
func program(r *http.Request) bool {
	deflate, br := encodings(r)
	return r.Header.Get("Sec-Fetch-Mode") != "" || br && !deflate
}

func encodings(r *http.Request) (deflate, br bool) {
	accepted := r.Header.Get("Accept-Encoding")
	return strings.Contains(accepted, "deflate"), strings.Contains(accepted, "br")
}

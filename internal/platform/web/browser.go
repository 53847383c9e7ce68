package web

import (
	"log/slog"
	"net/http"
	"path"
	"strings"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/origin"
)

// Access says what the safe methods (GET, HEAD, OPTIONS) do at a route. Every other
// method acts.
type Access int

// The kinds of access.
const (
	Reads    Access = iota // they change nothing
	Acts                   // they change something, for EventSync's callers
	Takes                  // they may be events
	Connects               // they open a live connection
)

// Browsers decides what web pages may do. A browser sends the requests of any page,
// and it reaches what its user reaches: this machine's loopback addresses, the
// network of an office. Being reached therefore does not show that the user wants
// it. Pages of other origins act only where the configuration lists their origin.
// Programs that are not browsers (curl, schedulers, webhooks) say nothing of origins
// and are not concerned.
type Browsers struct {
	adapter Adapter
	cloud   bool
	hosts   []string // beside the names of this machine
	checked bool     // hosts are, also on connections from elsewhere
	open    bool     // no credentials are asked for

	origins    map[string]bool // in normal form: what cors.allowedOrigins lists, and our own
	anyOrigin  bool
	connecting []string // patterns of hosts and origins whose pages may open live connections
	anySends   bool     // events
	cors       func(http.Handler) http.Handler
	corsEvents func(http.Handler) http.Handler // of routes that take events
}

// NewBrowsers returns the rules of a configuration. cloud says that the platform
// decides which host names lead here.
func NewBrowsers(cfg *config.Config, cloud bool, log *slog.Logger) *Browsers {
	b := &Browsers{
		adapter: Adapter{Log: log}, cloud: cloud, hosts: cfg.AllowedHosts, checked: len(cfg.AllowedHosts) > 0, open: cfg.Auth == nil,
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

// own adds what publicURL says about us.
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
	b.hosts = append(b.hosts[:len(b.hosts):len(b.hosts)], name)
}

// Handler applies the rules about origins to h: it answers preflight requests, and
// refuses (403) what a page may not do. access says what a request would do.
func (b *Browsers) Handler(access func(*http.Request) Access, h http.Handler) http.Handler {
	checked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := b.check(r, access); err != nil {
			b.refuse(w, r, err)
			return
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

func (b *Browsers) refuse(w http.ResponseWriter, r *http.Request, err error) {
	b.adapter.Handler(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r)
}

// asked returns r, or the request that it announces if it is a preflight request.
func asked(r *http.Request) *http.Request {
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		return r
	}
	announced := *r
	announced.Method = method
	return &announced
}

// check returns why r is refused, or nil.
func (b *Browsers) check(r *http.Request, access func(*http.Request) Access) error {
	if !fromBrowser(r) {
		return nil
	}
	site, from := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	does, safe := access(r), isSafe(r.Method)
	if does == Reads && safe || does == Takes && b.anySends {
		return nil
	}
	// CrossOriginProtection passes all safe methods. Here a safe method acts as well,
	// so it is asked about a POST. It compares texts, so it gets them in normal form.
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

// trusts reports whether the configuration lists the origin, for what the request does.
func (b *Browsers) trusts(from string, does Access) bool {
	if from == "" {
		return false
	}
	if b.anyOrigin || b.origins[from] {
		return true
	}
	return does == Connects && b.connects(from)
}

// connects reports whether a pattern of live.allowedOrigins matches the origin: a
// host with or without its port, or with the scheme before it.
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

// foreign says that a page of another origin may not do what it asked for.
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

// unasked returns why a request with a safe method must not act although no other
// origin shows: nobody may have asked for it.
func unasked(r *http.Request, site, from string) error {
	switch {
	case strings.Contains(r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose"), "prefetch"):
		return fault.New(fault.Forbidden, "a browser that looks ahead may not do this: open it again, or use POST")
	case site != "" && r.Header.Get("Sec-Fetch-Mode") == "no-cors":
		return fault.New(fault.Forbidden, "an image, a script or another part of a page may not do this: use POST")
	case site == "" && from == "":
		// A browser sends no Sec-Fetch-Site to an address that is neither https nor
		// loopback, nor an Origin with an image: this may be a part of any page.
		return fault.New(fault.Forbidden, "a browser did not say which page asked for this: use POST, or a program such as curl, or https")
	}
	return nil
}

// fromBrowser reports whether a browser sent the request for some page, as far as
// headers tell that the page can neither set nor leave out. A page of another origin
// cannot change the browser's User-Agent.
func fromBrowser(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" {
		return true
	}
	agent := r.Header.Get("User-Agent")
	if !strings.HasPrefix(agent, "Mozilla/") || program(r) {
		return false
	}
	// Services that call themselves compatible may accept anything. Over http, browsers
	// accept exactly gzip and deflate; PowerShell accepts br as well.
	deflate, br := encodings(r)
	return hasLanguage(r) || deflate && !br && !strings.Contains(agent, "(compatible;")
}

// perhapsBrowser reports whether a browser may have sent the request. A page of our own
// origin can change the User-Agent in some browsers, and a page whose name was pointed
// at us is one until its host is checked. Few programs send Accept-Language.
func perhapsBrowser(r *http.Request) bool {
	return fromBrowser(r) || hasLanguage(r) && !program(r)
}

// hasLanguage reports whether there is an Accept-Language. Every browser sends one, and
// a page can give it any value: also the empty one.
func hasLanguage(r *http.Request) bool { return len(r.Header["Accept-Language"]) > 0 }

// program reports whether headers that pages cannot set show a program. Node's fetch
// sends the mode alone, where a browser sends the site with it. Deno's accepts br and
// not deflate, where a browser accepts deflate.
func program(r *http.Request) bool {
	deflate, br := encodings(r)
	return r.Header.Get("Sec-Fetch-Mode") != "" || br && !deflate
}

func encodings(r *http.Request) (deflate, br bool) {
	accepted := r.Header.Get("Accept-Encoding")
	return strings.Contains(accepted, "deflate"), strings.Contains(accepted, "br")
}

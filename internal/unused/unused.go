// Package unused finds settings of a configuration that have no effect now. It reads and
// writes nothing.
//
// It compares exactly, and in doubt a setting counts as used: somebody may delete what is
// found here.
package unused

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/origin"
	"github.com/headgate/headgate/internal/sync/source"
)

// Setting is one that nothing uses.
type Setting struct {
	Path string `json:"path"` // such as $.services[0].deadLetter
	Why  string `json:"why"`
}

// Find returns the settings that nothing uses, in the order of the document. syncs are all
// that are stored or declared, and webhooks the URLs that are registered.
func Find(c *config.Config, syncs []source.Datasource, webhooks []string) []Setting {
	found := []Setting{}
	add := func(path, format string, args ...any) {
		found = append(found, Setting{path, fmt.Sprintf(format, args...)})
	}
	for i, svc := range c.Services {
		if svc.DeadLetter != nil && !sendsLetters(svc) {
			add(c.ServicePath(i)+".deadLetter", "no policy sends anything to the dead letters")
		}
	}
	if c.Sync != nil {
		ofSyncs(c, syncs, add)
	}
	if c.Echo != nil {
		called := ourPlaces(c, webhooks)
		for i, entry := range c.Echo.AllowTargets {
			if !covers(entry, called) {
				add(decode.Index("$.echo.allowTargets", i), "no webhook, target or draft is at %s", entry)
			}
		}
	}
	return found
}

// sendsLetters reports whether a policy of the service is deadLetter.
func sendsLetters(svc config.Service) bool {
	const letters = "deadLetter"
	return svc.Trigger.Late == letters || svc.Trigger.OnClose == letters || svc.Correlation != nil && svc.Correlation.OnMissing == letters ||
		slices.ContainsFunc(svc.Endpoints, func(e config.Endpoint) bool { return e.OnError == letters }) ||
		slices.ContainsFunc(svc.Feeds, func(f config.Feed) bool { return f.Otherwise == letters })
}

func ofSyncs(c *config.Config, syncs []source.Datasource, add func(path, format string, args ...any)) {
	if dir := c.Sync.Directory; dir != "" && !slices.ContainsFunc(syncs, func(d source.Datasource) bool { return reads(d, dir) }) {
		add("$.sync.directory", "no sync reads a file there")
	}
	called := syncPlaces(c, syncs)
	for i, entry := range c.Sync.AllowHosts {
		if !covers(entry, called) {
			add(decode.Index("$.sync.allowHosts", i), "no sync names %s", entry)
		}
	}
	named := make(map[string]bool)
	for _, d := range syncs {
		for _, ref := range d.References() {
			named[credential.Whole(ref)] = true
		}
	}
	for i, one := range c.Sync.Secrets {
		if !named[credential.Whole(one.Ref)] {
			add(decode.Index("$.sync.secrets", i), "no sync names %s", one.Ref)
		}
	}
}

// reads reports whether the data source is a file in the directory: one with a path, or one
// that is named with the whole address of a bucket.
func reads(d source.Datasource, dir string) bool {
	switch d.Type {
	case "csv":
		return !strings.Contains(d.FileURL, "://") || strings.HasPrefix(dir, "gs://") && strings.HasPrefix(d.FileURL, strings.TrimSuffix(dir, "/")+"/")
	case "sql":
		return strings.HasPrefix(d.URL, "sqlite:")
	}
	return false
}

// syncPlaces returns each host:port that sync.allowHosts may be for. Secret Manager and Cloud
// Storage are called through it, too, because they may have internal addresses.
func syncPlaces(c *config.Config, syncs []source.Datasource) (places []string) {
	var refs []string
	for _, r := range c.References() {
		refs = append(refs, r.Ref)
	}
	inBucket := strings.HasPrefix(c.Sync.Directory, "gs://")
	for _, d := range syncs {
		places = append(places, d.Hosts()...)
		refs = append(refs, d.References()...)
		inBucket = inBucket || strings.HasPrefix(d.FileURL, "gs://")
	}
	if slices.ContainsFunc(refs, credential.IsManaged) {
		places = append(places, "secretmanager.googleapis.com:443")
	}
	if inBucket {
		places = append(places, "storage.googleapis.com:443")
	}
	return places
}

// ourPlaces returns each host:port that echo.allowTargets may be for. echo.upstream and
// echo.broadcast are allowed by themselves.
func ourPlaces(c *config.Config, webhooks []string) (places []string) {
	urls := slices.Clone(webhooks)
	for _, svc := range c.Services {
		for _, t := range svc.Targets {
			if t.HTTP != nil {
				urls = append(urls, t.HTTP.URL)
			}
		}
		if svc.Alerts != nil {
			for _, h := range svc.Alerts.HTTP {
				urls = append(urls, h.URL)
			}
		}
	}
	for _, d := range c.Drafts {
		if d.ExternalData != nil {
			urls = append(urls, d.ExternalData.URL)
		}
	}
	for _, one := range urls {
		places = append(places, source.HostOf(one))
	}
	return places
}

// covers reports whether an entry of a list of allowed hosts is for one of the places, each a
// host:port. The entry is host, host:port, an address or a CIDR. A name may resolve to an address that the
// entry covers, which is not known here, so beside names such an entry counts as used.
func covers(entry string, places []string) bool {
	name, port := origin.Split(entry)
	network, err := netip.ParsePrefix(name)
	if addr, notAddr := netip.ParseAddr(name); notAddr == nil {
		addr = addr.Unmap()
		network, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return slices.ContainsFunc(places, func(place string) bool {
		host, at := origin.Split(place)
		if host == "" || port != "" && port != at {
			return false
		}
		if err != nil { // the entry is a name
			return host == name
		}
		addr, isName := netip.ParseAddr(host)
		return isName != nil || network.Contains(addr.Unmap())
	})
}

package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/origin"
)

// Hosts refuses (403) requests that name a host which is not ours. An attacker who
// points a name of theirs at a loopback address (DNS rebinding) makes a browser take
// this process for a part of the attacker's own site, whose pages may then read and
// operate it; only the Host header tells.
//
// Off a cloud, whose platform delivers names, these are checked: connections that arrive
// on a loopback address; and, where no credentials are asked for, what may be a browser on all
// others, for a published port of a container or an office's network is reached like loopback. If the
// configuration lists hosts, everything is checked. Probes (/healthz, /readyz) are
// answered for any host.
func (b *Browsers) Hosts(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !b.allowsHost(r) {
			b.refuse(w, r, fault.New(fault.Forbidden,
				"this process does not answer for the host of this request: if it should, list the host in allowedHosts, or set publicURL"))
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (b *Browsers) allowsHost(r *http.Request) bool {
	local := localAddress(r)
	beyond := !local.IsLoopback()
	rebound := local.IsLoopback() || local.IsValid() && b.open && perhapsBrowser(r)
	if !b.checked && (b.cloud || !rebound) {
		return true
	}
	name, _ := origin.Split(r.Host)
	if name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") { // a browser always names a host
		return true
	}
	// Nobody can point an address elsewhere. In a container the address that a browser
	// was given is not the one that its request arrives on.
	if a, err := netip.ParseAddr(name); err == nil {
		a = a.Unmap()
		if a.IsLoopback() || a == local || beyond && !b.checked && !a.IsUnspecified() {
			return true
		}
	}
	for _, h := range b.hosts {
		if origin.Matches(h, r.Host) {
			return true
		}
	}
	return r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
}

// localAddress returns the address of this machine on which r arrived; it is not
// valid if that is not known.
func localAddress(r *http.Request) netip.Addr {
	if tcp, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

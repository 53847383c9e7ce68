package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/origin"
)

// Hosts refuses (403) requests whose Host header names a host that is not ours. An
// attacker can point a name of theirs at a loopback address (DNS rebinding). A browser
// then takes this process for a part of the attacker's site, whose pages may read and
// operate it. Only the Host header shows that.
//
// On a cloud, the platform decides which names lead here, and the header is not checked.
// Elsewhere these requests are checked: all that arrive on a loopback address; and where
// no authentication is configured, those on other addresses that may come from a
// browser, because it also reaches a container's published port or an office's network.
// If the configuration lists hosts, every request is checked. Probes (/healthz, /readyz)
// are answered for any host.
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
	if name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") { // a browser always sends a name
		return true
	}
	// An address cannot be pointed elsewhere, unlike a name. It need not be the local
	// address: in a container, the browser uses another than the request arrives on.
	if a, err := netip.ParseAddr(name); err == nil {
		a = a.Unmap()
		if a.IsLoopback() || a == local || beyond && !b.checked && !a.IsUnspecified() {
			return true
		}
	}
	for _, h := range b.ourHosts {
		if origin.Matches(h, r.Host) {
			return true
		}
	}
	return r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
}

// localAddress returns the address of this machine on which r arrived. The zero Addr
// means that it is not known.
func localAddress(r *http.Request) netip.Addr {
	if tcp, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

package secret

import (
	"net"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Prefix begins the names of the environment variables that definitions may use on a
// laptop, where the configuration lists no secrets.
const Prefix = "HEADGATE_SECRET_"

// Policy states which references a definition may use, and to which hosts each may be
// sent. The author of a definition chooses its URLs: without a policy, the author could
// have every secret of the process sent to a server of theirs. The zero Policy allows
// no reference.
type Policy struct {
	Grants []Grant
	// Prefixed allows environment variables whose names begin with Prefix, for any host.
	Prefixed bool
}

// Grant allows one reference to be sent to some hosts: "host" for any port, or "host:port".
type Grant struct {
	Ref   string
	Hosts []string
}

// Check returns a fault if the reference may not be sent to the host:port; it says what
// to configure. to is "" for a definition that sends credentials to no host.
func (p Policy) Check(ref, to string) error {
	if name, ok := strings.CutPrefix(ref, "env:"); ok && p.Prefixed && strings.HasPrefix(name, Prefix) && to != "" {
		return nil
	}
	listed := false
	for _, g := range p.Grants {
		if credential.Whole(g.Ref) != credential.Whole(ref) {
			continue
		}
		if slices.ContainsFunc(g.Hosts, func(host string) bool { return covers(host, to) }) {
			return nil
		}
		listed = true
	}
	switch {
	case to == "":
		return fault.New(fault.Invalid, "%s cannot be used here: this data source takes no credentials", ref)
	case listed:
		return fault.New(fault.Invalid, "%s may not be sent to %s: sync.secrets in the configuration allows it for other hosts", ref, to)
	case p.Prefixed && !credential.IsManaged(ref):
		return fault.New(fault.Invalid, "%s is not allowed for syncs: list it in sync.secrets of the configuration with the host %s, or give the environment variable a name that begins with %s", ref, to, Prefix)
	}
	return fault.New(fault.Invalid, "%s is not allowed for syncs: list it in sync.secrets of the configuration with the host %s", ref, to)
}

// covers reports whether an entry of a grant equals the host:port, or its host.
func covers(entry, to string) bool {
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		return false
	}
	return strings.EqualFold(entry, to) || strings.EqualFold(strings.Trim(entry, "[]"), host)
}

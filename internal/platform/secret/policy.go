package secret

import (
	"net"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
)

// Prefix begins the names of the environment variables that definitions may use on a
// laptop, where nothing is configured.
const Prefix = "HEADGATE_SECRET_"

// Policy says which references a definition may use, and to which hosts each may be
// sent. The author of a definition chooses its URLs: without a policy, every secret of
// the process would be the author's. The zero Policy allows none.
type Policy struct {
	Grants []Grant
	// Prefixed allows, to any host, variables of the environment whose names begin
	// with Prefix.
	Prefixed bool
}

// Grant allows one reference to be sent to some hosts: "host" at any port, "host:port".
type Grant struct {
	Ref   string
	Hosts []string
}

// Check returns a fault that says what to configure where the reference may not be
// sent to the host:port; "" is a definition whose credentials go to no host.
func (p Policy) Check(ref, to string) error {
	if name, ok := strings.CutPrefix(ref, "env:"); ok && p.Prefixed && strings.HasPrefix(name, Prefix) && to != "" {
		return nil
	}
	listed := false
	for _, g := range p.Grants {
		if whole(g.Ref) != whole(ref) {
			continue
		}
		if slices.ContainsFunc(g.Hosts, func(host string) bool { return covers(host, to) }) {
			return nil
		}
		listed = true
	}
	switch {
	case to == "":
		return fault.New(fault.Invalid, "%s would be sent to no host: this data source takes no credentials", ref)
	case listed:
		return fault.New(fault.Invalid, "%s may not be sent to %s: sync.secrets in the configuration has it for other hosts", ref, to)
	case p.Prefixed && !credential.IsManaged(ref):
		return fault.New(fault.Invalid, "%s is not for syncs: list it in sync.secrets of the configuration with the host %s, or give the environment variable a name that begins with %s", ref, to, Prefix)
	}
	return fault.New(fault.Invalid, "%s is not for syncs: list it in sync.secrets of the configuration with the host %s", ref, to)
}

// whole returns the reference, a secret's with the version that it means.
func whole(ref string) string {
	if name, ok := credential.Managed(ref); ok {
		return "sm://" + name
	}
	return ref
}

// covers reports whether an entry of a grant is the host:port, or its host.
func covers(entry, to string) bool {
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		return false
	}
	return strings.EqualFold(entry, to) || strings.EqualFold(strings.Trim(entry, "[]"), host)
}

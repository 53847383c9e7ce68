package config

import "github.com/headgate/headgate/internal/platform/decode"

// Sync says what syncs may reach, and how they run.
type Sync struct {
	// The only directory that files are read from and written to. Omitted: the working directory; on Cloud Run none.
	Directory string `json:"directory,omitempty"`
	// Internal addresses that syncs may call all the same: host, host:port, an IP address or a CIDR. Loopback is allowed off Cloud Run.
	AllowHosts []string `json:"allowHosts,omitempty" format:"network"`
	// true: connections beyond loopback may be unencrypted.
	AllowHTTP bool `json:"allowHTTP,omitempty"`
	// The references to credentials that definitions of syncs may use. Omitted: on Cloud Run none; elsewhere env:NAME where NAME begins with HEADGATE_SECRET_.
	Secrets []SyncSecret `json:"secrets,omitzero"`
	// The most calls to one host in a second.
	RatePerSecond int `json:"ratePerSecond,omitempty" default:"50" range:"1..10000"`
	// The Pub/Sub topic, projects/P/topics/T, that hands a run to a new invocation through a push subscription to /sync/work. Without it a run stays in the process where it began.
	WorkTopic string `json:"workTopic,omitempty" format:"topic"`
	// The seconds for which one invocation works on a run before it hands it on. 0: 240 on Cloud Run with a workTopic, otherwise no limit.
	MaxInvocationSeconds int `json:"maxInvocationSeconds,omitempty" range:"0..3600"`
}

// SyncSecret is a credential that definitions may refer to.
type SyncSecret struct {
	// env:NAME or sm://projects/P/secrets/S, as definitions write it.
	Ref string `json:"ref" decode:"required" format:"reference"`
	// The hosts that it may be sent to: host (at any port) or host:port.
	Hosts []string `json:"hosts" decode:"required" least:"1 host" format:"host"`
}

// SyncSettings returns the section "sync", with the defaults where it is omitted.
func (c *Config) SyncSettings() *Sync {
	s := new(Sync)
	if c.Sync != nil {
		*s = *c.Sync
	}
	new(decode.Faults).Fill(s)
	return s
}

func (v *validator) sync(s *Sync) {
	var refs []string
	for i, x := range s.Secrets {
		v.unique("secrets", "ref", refs, x.Ref, decode.Index("$.sync.secrets", i)+".ref")
		refs = append(refs, x.Ref)
	}
}

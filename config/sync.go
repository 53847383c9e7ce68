package config

import (
	"cmp"
	"encoding/json"

	"github.com/headgate/headgate/internal/platform/decode"
)

// Sync says what syncs may reach, and how they run.
type Sync struct {
	// The only directory that files are read from and written to; or gs://BUCKET/PREFIX, where files are uploaded and CSV files are read. Omitted: the working directory; on Cloud Run none.
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

// declared checks what the list of definitions as a whole must be. Package definition
// knows what one of them is.
func (v *validator) declared(syncs []json.RawMessage) {
	var ids []string
	for i, raw := range syncs {
		id, path := declaredID(raw), decode.Index("$.syncs", i)+".id"
		if id == "" {
			v.Add(path, "is required: a declared sync is known by it from one start to the next")
		}
		v.unique("syncs", "id", ids, id, path)
		ids = append(ids, id)
	}
}

// declaredID returns the id in a definition, which OurWater's form has below "data".
func declaredID(raw json.RawMessage) string {
	var def struct {
		ID   string `json:"id"`
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	_ = json.Unmarshal(raw, &def) // of another form: package definition says so
	return cmp.Or(def.Data.ID, def.ID)
}

// shownSyncs returns the ids of declared definitions only: which of their options are
// credentials is not known here. GET /sync shows the rest.
func shownSyncs(syncs []json.RawMessage) []json.RawMessage {
	var shown []json.RawMessage
	for _, raw := range syncs {
		shown = append(shown, marshal(struct {
			ID string `json:"id"`
		}{declaredID(raw)}))
	}
	return shown
}

package config

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
)

// Source names the caller of an endpoint or a feed. A process does nothing with it: "headgate
// deploy" makes the caller, with the rights to call.
type Source struct {
	// The topic whose messages a push subscription sends.
	PubSub *TargetPubSub `json:"pubsub,omitempty"`
	// The events of Google Cloud that a trigger of Eventarc sends.
	Eventarc *SourceEventarc `json:"eventarc,omitempty"`
	// The instants at which Cloud Scheduler calls.
	Scheduler *Cron `json:"scheduler,omitempty"`
}

// SourceEventarc says which events of Google Cloud are sent.
type SourceEventarc struct {
	// Their type, such as google.cloud.storage.object.v1.finalized.
	Type string `json:"type" decode:"required" format:"eventType"`
	// Further attributes that an event must have: name=value, such as bucket=my-bucket.
	Filters []string `json:"filters,omitempty" format:"filter"`
	// The location of what the events are about, such as the bucket's. Omitted: the region of the deployment.
	Location string `json:"location,omitempty" format:"location"`
}

// source checks what calls with POST.
func (v *validator) source(path string, s *Source, methods []string) {
	if s == nil {
		return
	}
	n := 0
	for _, given := range []bool{s.PubSub != nil, s.Eventarc != nil, s.Scheduler != nil} {
		if given {
			n++
		}
	}
	if n != 1 {
		v.Add(path, "must have one of pubsub, eventarc and scheduler")
	}
	if len(methods) > 0 && !slices.Contains(methods, "POST") {
		v.Add(path, "calls with POST, which acceptedHttpMethods does not list")
	}
	if s.Scheduler != nil {
		v.cron(path+".scheduler", *s.Scheduler)
	}
	if s.Eventarc == nil {
		return
	}
	for i, f := range s.Eventarc.Filters {
		if strings.HasPrefix(f, "type=") {
			v.Add(decode.Index(path+".eventarc.filters", i), "is eventarc.type, and no filter beside it")
		}
	}
}

package deploy

import (
	"fmt"
	"slices"

	"github.com/headgate/headgate/config"
)

// topics plans the topics that Headgate publishes to, with a subscription for the consumers of
// each. A subscription gets what is published after it was made, so it is made first.
func (b *builder) topics() {
	for _, s := range b.cfg.Services {
		for _, t := range s.Topics() {
			b.consumed(b.publishes(t))
		}
	}
	if l := b.cfg.Live; l != nil {
		if l.Topic != "" { // instances subscribe by themselves
			b.publishes(l.Topic)
			b.LiveRole = true
			b.grant(OnProject, Resource{}, LiveRole, Runtime)
		}
		if l.PassThrough != nil && l.PassThrough.Topic != "" {
			b.consumed(b.publishes(l.PassThrough.Topic))
		}
	}
	if s := b.cfg.Sync; s != nil && s.WorkTopic != "" {
		b.subscribe(Subscription{Name: "headgate-work", Topic: b.publishes(s.WorkTopic), Push: ptr(b.calls("syncrun", "/sync/work"))})
	}
	for _, s := range b.cfg.Services {
		b.onMessage(s)
	}
}

// onMessage plans the push of messages to the sync that they start, where a process that works
// on runs cannot be told otherwise.
func (b *builder) onMessage(s config.Service) {
	if s.OnMessage == nil || b.cfg.Sync != nil && b.cfg.Sync.WorkTopic != "" {
		return
	}
	if s.TargetPubSub.Topic == "" {
		b.note("onMessage of service %q needs sync.workTopic: on Cloud Run a sync is started by a topic, and the service has no targetPubSub", s.ServiceName)
		return
	}
	t := b.here(topic(s.TargetPubSub.Topic))
	b.subscribe(Subscription{Name: "headgate-sync-" + t.Name, Topic: t, Push: ptr(b.calls("syncrun", "/sync/message"))})
}

// publishes plans a topic to which Headgate publishes.
func (b *builder) publishes(full string) Resource {
	t := b.topic(full)
	b.grant(OnTopic, t, publisher, Runtime)
	return t
}

// topic plans a topic, if it is one of this project.
func (b *builder) topic(full string) Resource {
	t := b.here(topic(full))
	if t == (Resource{Name: Undelivered}) {
		b.refused = append(b.refused, fmt.Errorf("%s cannot be a topic of the configuration: it gets the messages that subscriptions gave up", full))
	}
	if t.Project != "" {
		b.note("the topic %s must exist: it belongs to another project", full)
	} else if !slices.Contains(b.Topics, t.Name) {
		b.Topics = append(b.Topics, t.Name)
	}
	return t
}

// consumed plans a subscription from which consumers pull.
func (b *builder) consumed(t Resource) {
	if t.Project == "" {
		b.subscribe(Subscription{Name: t.Name + "-consumer", Topic: t})
	}
}

// subscribe plans a subscription whose messages are not lost if nobody takes them.
func (b *builder) subscribe(s Subscription) {
	s.DeadLetter = true
	if slices.ContainsFunc(b.Subscriptions, func(o Subscription) bool { return sameSubscription(o, s) }) {
		return
	}
	s.Name = numbered(s.Name[:min(len(s.Name), longestSubscription)], func(n string) bool {
		return slices.ContainsFunc(b.Subscriptions, func(o Subscription) bool { return o.Name == n })
	})
	b.Subscriptions = append(b.Subscriptions, s)
	b.grant(OnSubscription, Resource{Name: s.Name}, subscriber, PubSubAgent)
	if !slices.Contains(b.Topics, Undelivered) {
		b.Topics = append(b.Topics, Undelivered)
		b.Subscriptions = append(b.Subscriptions, Subscription{Name: Undelivered, Topic: Resource{Name: Undelivered}})
		b.grant(OnTopic, Resource{Name: Undelivered}, publisher, PubSubAgent)
	}
}

// sameSubscription reports whether both bring the same messages to the same place.
func sameSubscription(a, b Subscription) bool {
	return a.Topic == b.Topic && (a.Push == nil) == (b.Push == nil) && (a.Push == nil || *a.Push == *b.Push)
}

func ptr[T any](v T) *T { return &v }

package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/headgate/headgate/internal/bus"
)

// topic is a topic of the configuration.
type topic struct {
	name, use string // projects/P/topics/T; what for
	receives  bool   // every instance subscribes to it
}

// topics returns each topic once.
func (e *examination) topics() (all []topic) {
	add := func(name, use string) *topic {
		for i := range all {
			if all[i].name == name {
				all[i].use += ", " + use
				return &all[i]
			}
		}
		all = append(all, topic{name: name, use: use})
		return &all[len(all)-1]
	}
	cfg := e.Config
	for _, svc := range cfg.Services {
		of := fmt.Sprintf(" of service %q", svc.ServiceName)
		for _, t := range svc.AllTargets() {
			if t.PubSub != nil {
				add(t.PubSub.Topic, "messages"+of)
			}
		}
		if svc.DeadLetter != nil {
			add(svc.DeadLetter.Topic, "dead letters"+of)
		}
		if svc.Alerts != nil && svc.Alerts.Topic != "" {
			add(svc.Alerts.Topic, "alerts"+of)
		}
	}
	if cfg.Sync != nil && cfg.Sync.WorkTopic != "" {
		add(cfg.Sync.WorkTopic, "sync.workTopic")
	}
	if cfg.Live != nil && cfg.Live.PassThrough != nil && cfg.Live.PassThrough.Topic != "" {
		add(cfg.Live.PassThrough.Topic, "live.passThrough")
	}
	if e.Place.LiveTopic != "" {
		add(e.Place.LiveTopic, "live.topic").receives = true
	}
	return all
}

// topicCheck looks whether the topic exists and these credentials may publish to it.
func (e *examination) topicCheck(t topic) Check {
	return Check{Name: "Pub/Sub, asked for the topic " + t.name + ",", Code: "topic", Do: func(ctx context.Context, found func(Finding)) {
		if !e.Place.PubSub {
			found(notChecked("topic.exists", "the topic %s (%s): messages stay in the process here", t.name, t.use))
			return
		}
		if err := e.Topic(ctx, t.name); err != nil {
			found(e.topicFault(t, err))
			return
		}
		e.publishable(ctx, t, found)
	}}
}

func (e *examination) topicFault(t topic, err error) Finding {
	if errors.Is(err, bus.ErrNoTopic) {
		return Finding{"topic.missing", Error, fmt.Sprintf("the topic %s does not exist (%s): messages wait until it does", t.name, t.use), e.createTopic(t.name)}
	}
	f := Finding{"topic.unreachable", Error, fmt.Sprintf("Pub/Sub does not answer for the topic %s: %s", t.name, oneLine(err)), ""}
	if SaysDisabled(err) {
		f.Fix = (&Disabled{"pubsub.googleapis.com", projectOf(t.name)}).Fix()
	}
	return f
}

// createTopic returns the command that creates the topic, also in an emulator.
func (e *examination) createTopic(name string) string {
	return e.Place.PubSubVariables() + "gcloud pubsub topics create " + topicID(name) + " --project=" + projectOf(name)
}

func (e *examination) publishable(ctx context.Context, t topic, found func(Finding)) {
	const code = "topic.publishable"
	what := fmt.Sprintf("whether %s may publish to %s", e.whose(), t.name)
	exists := ok("topic.exists", "the topic %s exists (%s)", t.name, t.use)
	if e.Place.PubSubEmulator != "" || e.Place.Google == nil {
		found(exists)
		found(unasked(code, what, ErrEmulator))
		return
	}
	permissions := []string{"pubsub.topics.publish"}
	if t.receives {
		permissions = append(permissions, "pubsub.topics.attachSubscription")
	}
	lacking, err := e.Place.Google.Topic(ctx, t.name, permissions...)
	switch {
	case err != nil:
		found(exists)
		found(unasked(code, what, err))
	case len(lacking) > 0:
		role := "roles/pubsub.publisher"
		if t.receives {
			role = "roles/pubsub.editor"
		}
		found(exists)
		found(Finding{"topic.denied", Error, fmt.Sprintf("%s may not publish to %s (%s): %s is missing", e.whose(), t.name, t.use, list(lacking)),
			"gcloud pubsub topics add-iam-policy-binding " + topicID(t.name) + " --project=" + projectOf(t.name) + ` --member="` + e.Place.Google.Member(ctx) + `" --role=` + role})
	default:
		found(ok(code, "the topic %s exists, and %s may publish to it (%s)", t.name, e.whose(), t.use))
	}
}

// liveCheck looks whether the changes of one instance reach the clients of the others.
func (e *examination) liveCheck() Check {
	const code = "live.topic"
	return Check{Name: "live", Code: "live", Late: NotChecked, Do: func(ctx context.Context, found func(Finding)) {
		switch {
		case !e.Place.Firestore:
			found(ok(code, "live clients need no topic: one process serves this store"))
		case !e.Place.PubSub || e.Place.LiveTopic == "":
			project := e.Place.Project
			found(Finding{code, Warning, `live clients get only the changes that are made through their own instance: set "live": {"topic": "projects/` + project +
				`/topics/headgate-live"} in the configuration, and use --bus pubsub`, e.createTopic("projects/" + project + "/topics/headgate-live")})
		case e.Connected != nil && !e.Connected():
			found(Finding{"live.unconnected", Error, "signals of other instances do not arrive from " + e.Place.LiveTopic + ": live clients of this instance hear of changes late",
				e.Place.PubSubVariables() + "gcloud pubsub topics describe " + topicID(e.Place.LiveTopic) + " --project=" + projectOf(e.Place.LiveTopic)})
		default:
			found(ok(code, "instances tell each other of changes through %s", e.Place.LiveTopic))
			e.subscribing(ctx, found)
		}
	}}
}

// subscribing looks whether instances may make the subscriptions of live.topic.
func (e *examination) subscribing(ctx context.Context, found func(Finding)) {
	const code, what = "live.roles", "whether instances may make subscriptions"
	if e.Place.PubSubEmulator != "" || e.Place.Google == nil {
		found(unasked(code, what, ErrEmulator))
		return
	}
	lacking, err := e.Place.Google.Project(ctx, e.Place.Project, "pubsub.subscriptions.create", "pubsub.subscriptions.delete", "pubsub.subscriptions.consume")
	switch {
	case err != nil:
		found(unasked(code, what, err))
	case len(lacking) > 0:
		found(Finding{code, Warning, fmt.Sprintf("%s lacks %s in the project %s, which instances that serve live clients need", e.whose(), list(lacking), e.Place.Project),
			e.grant(ctx, "roles/pubsub.editor")})
	default:
		found(ok(code, "%s may make the subscriptions of live clients in the project %s", e.whose(), e.Place.Project))
	}
}

// topicID returns the last part of a topic's name, and projectOf its project.
func topicID(name string) string { return name[strings.LastIndex(name, "/")+1:] }

func projectOf(name string) string {
	project, _, _ := strings.Cut(strings.TrimPrefix(name, "projects/"), "/")
	return project
}

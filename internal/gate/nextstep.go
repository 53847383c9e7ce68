package gate

import (
	"errors"
	"strings"

	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/gate/target"
	"github.com/headgate/headgate/internal/store"
)

// failedAt says, as attributes of a line of the log, where a message could not be published:
// the targets that did not take it, or its one topic. If no target was called, because the
// message could not be made, it is those that wait for it. err may be nil.
func (g *Gate) failedAt(c store.ClaimInfo, err error) []any {
	var names []string
	if u, ok := errors.AsType[undelivered](err); ok {
		for _, f := range u {
			names = append(names, f.target)
		}
	} else {
		for _, t := range c.Targets {
			if pending(t) {
				names = append(names, t.Name)
			}
		}
	}
	switch topic := g.topicOf(store.Claim{ClaimInfo: c}); {
	case len(names) > 0:
		return []any{"failedTargets", strings.Join(names, ",")}
	case topic != "":
		return []any{"topic", topic}
	}
	return nil
}

// nextStep says, as attributes of a line of the log, what a person has to do about a message
// that could not be published. An error that it does not know has no next step.
func nextStep(err error) []any {
	failure, ofTarget := errors.AsType[*target.Failure](err)
	switch {
	case errors.Is(err, bus.ErrNoTopic):
		return []any{"next", "create the topic: what waits is published then"}
	case errors.Is(err, errBus):
		return []any{"next", "see whether Pub/Sub answers, and whether the service's account may publish to the topic: what waits is published then"}
	case errors.Is(err, errUnknown):
		return []any{"next", "deploy a configuration that has this target, or leave it: an hour after the window the target is given up"}
	case ofTarget && failure.Unanswered:
		return []any{"next", "see whether the target runs and can be reached: it is called again by itself"}
	case ofTarget:
		return []any{"next", "see the log of the target, and correct it or its settings: it is called again by itself, and replay?target= calls it at once"}
	}
	return nil
}

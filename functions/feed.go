package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

// takeFeed takes one event of a source that sends everything to one place. The routes of
// the feed choose its endpoint.
func takeFeed(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if !g.Feed(name) {
		return unknownFeed(g, name)
	}
	body, err := web.ReadBody(w, r, int64(g.Service().MaxEventBytes), "maxEventBytes")
	if err != nil {
		return err
	}
	in, err := read(g, w, r, body, true, "/feeds/"+name) // the routes look at it
	if err != nil {
		return err
	}
	in.Feed = name
	return answerEvent(g, w, r, in)
}

// takeFeedBatch takes a batch. Each item goes where the routes of the feed lead it.
func takeFeedBatch(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if !g.Feed(name) {
		return unknownFeed(g, name)
	}
	body, err := web.ReadBody(w, r, maxBatchBytes, "a batch")
	if err != nil {
		return err
	}
	raw, err := event.SplitBatch(body, maxBatchItems)
	if err != nil {
		return fault.New(fault.Invalid, "%s", err)
	}
	return answerBatch(g, w, r, raw, body, gate.Incoming{Feed: name})
}

func unknownFeed(g *gate.Gate, name string) error {
	if len(g.Feeds()) == 0 {
		return fault.New(fault.NotFound, "no feed %q: this service has no feeds", name)
	}
	return fault.New(fault.NotFound, "no feed %q: the feeds are %q", name, g.Feeds())
}

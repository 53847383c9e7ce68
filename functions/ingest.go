package functions

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/web"
)

type receiptJSON struct {
	storedJSON
	releasedJSON
}

// takeEvent takes one event, by any method that its endpoint accepts.
func takeEvent(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	e, ok := g.Endpoint(r.PathValue("key"))
	if !ok {
		return unknownKey(g, r.PathValue("key"))
	}
	if !accepts(e, r.Method) {
		return &fault.Error{
			Code: fault.MethodNotAllowed, Allow: accepted(e),
			Message: "endpoint " + e.EventKey + " does not accept " + r.Method,
		}
	}
	body, err := web.ReadBody(w, r, int64(g.Service().MaxEventBytes), "maxEventBytes")
	if err != nil {
		return err
	}
	in, err := read(g, w, r, body, g.Evaluates(e.EventKey), "/events/"+e.EventKey)
	if err != nil {
		return err
	}
	in.EventKey = e.EventKey
	return answerEvent(g, w, r, in)
}

// answerEvent stores an event and answers its source.
func answerEvent(g *gate.Gate, w http.ResponseWriter, r *http.Request, in gate.Incoming) error {
	in.Held = web.HoldOf(w)
	out, err := g.Ingest(r.Context(), in)
	if err != nil {
		return err
	}
	if err := out.Receipts[0].Err; err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, receiptJSON{stored(out.Receipts[0]), released(out.Triggered, out.Published)})
}

// read turns a request into an event of no endpoint yet, and takes the memory for decoding
// it. evaluates reports that expressions will look at it. batches is the path for batches.
func read(g *gate.Gate, w http.ResponseWriter, r *http.Request, body []byte, evaluates bool, batches string) (gate.Incoming, error) {
	decodings := event.Decodings(r.Header, body)
	if evaluates {
		decodings++
	}
	for range decodings {
		if err := web.Decoding(r.Context(), w, body); err != nil {
			return gate.Incoming{}, err
		}
	}
	svc := g.Service()
	c, err := event.Decode(r.Header, body)
	switch {
	case err == nil || keepsMalformed(svc):
	case errors.Is(err, event.ErrBatch):
		return gate.Incoming{}, fault.New(fault.Invalid, "a batch of CloudEvents goes to %s", batches)
	default:
		return gate.Incoming{}, fault.New(fault.Invalid, "%s", err)
	}
	linkCarried(r.Context(), c)
	in := carrying(svc, meta(svc, r), c)
	in.IdempotencyKey = c.Key
	if evaluates && in.Push != nil { // expressions may read what the push carries
		return in, web.Decoding(r.Context(), w, in.Push.Data)
	}
	return in, nil
}

// linkCarried links the request's span to the one that the event itself names: a service in
// between, such as Pub/Sub or Eventarc, may have begun a trace of its own.
func linkCarried(ctx context.Context, c event.Carried) {
	span := trace.Current(ctx)
	if !span.On() {
		return
	}
	var named string
	if c.CloudEvent != nil {
		_ = json.Unmarshal(c.CloudEvent[bus.TraceParent], &named) // CloudEvents' extension has the same name
	}
	if named == "" && c.Push != nil {
		named = c.Push.Attributes[bus.TraceParent]
	}
	if to := trace.Parse(named); to.Trace != span.Context().Trace {
		span.Link(to)
	}
}

// carrying returns the event that a request or an item of a batch carries.
func carrying(svc config.Service, m event.Meta, c event.Carried) gate.Incoming {
	in := gate.Incoming{Meta: m, Content: c.Content, Push: c.Push, Opened: c.Opened}
	rules(svc).CloudEvent(&in.Meta, c.CloudEvent)
	return in
}

// keepsMalformed reports whether the service takes a malformed CloudEvent as a plain event.
func keepsMalformed(svc config.Service) bool { return svc.Malformed == "keep" }

func meta(svc config.Service, r *http.Request) event.Meta {
	return rules(svc).Receive(r.Method, r.Header, r.URL.RawQuery)
}

func rules(svc config.Service) event.Rules {
	return event.Rules{Drop: svc.RedactHeaders, Keep: svc.KeepHeaders}
}

// releasedJSON says which message a request released, and whether the bus has it.
type releasedJSON struct {
	Triggered *string `json:"triggered" description:"The eventID of the message that this request released; null if none. Its events are claimed."`
	Published *bool   `json:"published,omitempty" description:"Present with triggered. If false, the bus did not take the message yet, and later requests and sweeps publish it."`
}

func released(eventID string, published bool) releasedJSON {
	if eventID == "" {
		return releasedJSON{}
	}
	return releasedJSON{&eventID, &published}
}

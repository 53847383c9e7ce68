package functions

import (
	"net/http"
	"slices"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
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
	if len(e.AcceptedHTTPMethods) > 0 && !slices.Contains(e.AcceptedHTTPMethods, r.Method) {
		return &fault.Error{
			Code: fault.MethodNotAllowed, Allow: e.AcceptedHTTPMethods,
			Message: "endpoint " + e.EventKey + " does not accept " + r.Method,
		}
	}
	body, err := web.ReadBody(w, r, int64(g.Service().MaxEventBytes), "maxEventBytes")
	if err != nil {
		return err
	}
	if event.Parsed(r.Header, body) || g.Evaluates(e.EventKey) {
		if err := web.Decoding(r.Context(), w, body); err != nil {
			return err
		}
	}
	in, err := receive(g.Service(), e, r, body)
	if err != nil {
		return err
	}
	if e.Unwrap == "pubsub" && g.Evaluates(e.EventKey) { // expressions read what the push carried
		if err := web.Decoding(r.Context(), w, in.Content); err != nil {
			return err
		}
	}
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

// receive turns a request into an event.
func receive(svc config.Service, e config.Endpoint, r *http.Request, body []byte) (gate.Incoming, error) {
	in, err := read(svc, r, body, "/events/"+e.EventKey)
	in.EventKey = e.EventKey
	if in.Pushed != nil && e.Unwrap == "pubsub" {
		in.Content = in.Pushed
	}
	in.Pushed = nil // only a feed's route decides later
	return in, err
}

// read turns a request into an event of no endpoint yet. batches is the path for batches.
func read(svc config.Service, r *http.Request, body []byte, batches string) (gate.Incoming, error) {
	if event.MediaType(r.Header.Get("Content-Type")) == event.TypeCloudEventBatch {
		return gate.Incoming{}, fault.New(fault.Invalid, "a batch of CloudEvents goes to %s", batches)
	}
	cloudEvent, err := event.CloudEvent(r.Header, body)
	if err != nil {
		return gate.Incoming{}, fault.New(fault.Invalid, "%s", err)
	}
	in := gate.Incoming{Meta: meta(svc, r), Content: body}
	rules(svc).CloudEvent(&in.Meta, cloudEvent)
	var push event.Push
	if cloudEvent == nil {
		var wrapped bool
		if push, wrapped = event.ParsePush(body); wrapped {
			if in.Pushed = push.Data; in.Pushed == nil {
				in.Pushed = []byte{}
			}
		}
		in.Attributes = push.Attributes
	}
	in.IdempotencyKey = event.IdempotencyKey(r.Header, cloudEvent, push)
	return in, nil
}

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

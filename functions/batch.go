package functions

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

const (
	maxBatchBytes = 16 << 20
	maxBatchItems = 1000
)

type batchJSON struct {
	Results []itemJSON `json:"results" description:"One per item, in the order of the items."`
	releasedJSON
}

type itemJSON struct {
	Status int `json:"status" description:"The HTTP status that the item would have got alone: 200, 400 or 413."`
	*storedJSON
	Error string `json:"error,omitempty" description:"Why the item was not stored."`
}

type storedJSON struct {
	ID         string    `json:"id,omitempty" description:"The event's id. Absent if the event is not stored."`
	EventKey   string    `json:"eventKey" description:"The endpoint that took it; of a feed whose routes do not take it, /feed/ and the name of the feed."`
	ReceivedAt time.Time `json:"receivedAt"`
	Duplicate  bool      `json:"duplicate" description:"An event with this idempotency key was stored before. It counts once."`
	Filtered   bool      `json:"filtered,omitempty" description:"The endpoint's filter is false for this event. It is acknowledged and not stored."`
	Dropped    gate.Left `json:"dropped,omitempty" enum:"noKey,late,noRoute" description:"Why the event is acknowledged and not stored: it has no correlation key, its window has closed, or no route of the feed takes it."`
	DeadLetter string    `json:"deadLetter,omitempty" description:"Why the event, which is stored, goes to the dead letters: the field of the configuration whose expression fails, late (its window has closed) or noRoute (no route of the feed takes it)."`
	Superseded bool      `json:"superseded,omitempty" description:"Another event with the same distinct value counts in the place of this one."`
}

func stored(rc gate.Receipt) storedJSON {
	out := storedJSON{
		ID: rc.ID, EventKey: rc.EventKey, ReceivedAt: rc.ReceivedAt, Duplicate: rc.Duplicate,
		Filtered: rc.Left == gate.Filtered, Superseded: rc.Superseded, DeadLetter: rc.DeadLetter,
	}
	if !out.Filtered {
		out.Dropped = rc.Left
	}
	return out
}

// takeBatch takes a batch of CloudEvents, or a JSON array of anything, as one event per
// item. A bad item does not lose its neighbours.
func takeBatch(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	e, ok := g.Endpoint(r.PathValue("key"))
	if !ok {
		return unknownKey(g, r.PathValue("key"))
	}
	body, err := web.ReadBody(w, r, maxBatchBytes, "a batch")
	if err != nil {
		return err
	}
	raw, err := event.SplitBatch(body, maxBatchItems)
	if err != nil {
		return fault.New(fault.Invalid, "%s", err)
	}
	return answerBatch(g, w, r, raw, body, gate.Incoming{EventKey: e.EventKey})
}

// answerBatch takes the items of a batch for the endpoint or the feed that to names.
func answerBatch(g *gate.Gate, w http.ResponseWriter, r *http.Request, raw []json.RawMessage, body []byte, to gate.Incoming) error {
	decodings := event.Decodings(r.Header, body)
	if to.Feed != "" || g.Evaluates(to.EventKey) {
		decodings++
	}
	for range decodings {
		if err := web.Decoding(r.Context(), w, body); err != nil {
			return err
		}
	}
	out := batchJSON{Results: make([]itemJSON, len(raw))}
	var good []gate.Incoming
	var at []int
	m := meta(g.Service(), r)
	if kept := len(raw) * len(event.Event{Meta: m}.MetaJSON()); kept > maxBatchBytes {
		return fault.New(fault.TooLarge, "the headers and the query are kept with each of the %d items: %d bytes, and %d is the most", len(raw), kept, maxBatchBytes)
	}
	for i, item := range raw {
		in, bad := receiveItem(g, r, i, item, m)
		if bad != nil {
			out.Results[i] = *bad
			continue
		}
		in.EventKey, in.Feed, in.Held = to.EventKey, to.Feed, web.HoldOf(w)
		good, at = append(good, in), append(at, i)
	}
	if err := web.Answering(r.Context(), w, answerOf(g, out, to)); err != nil {
		return err
	}
	if len(good) > 0 {
		done, err := g.Ingest(r.Context(), good...)
		if err != nil {
			return err
		}
		for i, rc := range done.Receipts {
			if rc.Err != nil {
				out.Results[at[i]] = itemJSON{Status: http.StatusBadRequest, Error: "item " + strconv.Itoa(at[i]) + ": " + rc.Err.Error()}
				continue
			}
			s := stored(rc)
			out.Results[at[i]] = itemJSON{Status: http.StatusOK, storedJSON: &s}
		}
		out.releasedJSON = released(done.Triggered, done.Published)
	}
	return web.JSON(w, http.StatusOK, out)
}

// answerOf returns the most bytes that the answer to a batch may have. A byte of a key
// is at most six in JSON. An expression may still refuse an item that has no error yet.
func answerOf(g *gate.Gate, out batchJSON, to gate.Incoming) (most int) {
	key, refusal := len(to.EventKey), 0
	if to.Feed != "" {
		for _, k := range g.Keys() {
			key = max(key, len(k))
		}
		key = max(key, len("/feed/")+len(to.Feed))
	}
	if to.Feed != "" || g.Evaluates(to.EventKey) {
		refusal = gate.MaxRefusal
	}
	for _, item := range out.Results {
		text := len(item.Error)
		if text == 0 {
			text = refusal
		}
		most += perReceipt + 6*(key+text)
	}
	return most
}

// perReceipt is the most that a receipt has beside its texts.
const perReceipt = 256

// receiveItem returns the event that item i carries, or the result that says what is wrong.
func receiveItem(g *gate.Gate, r *http.Request, i int, item []byte, m event.Meta) (gate.Incoming, *itemJSON) {
	svc := g.Service()
	if limit := svc.MaxEventBytes; len(item) > limit {
		return gate.Incoming{}, &itemJSON{
			Status: http.StatusRequestEntityTooLarge,
			Error:  "item " + strconv.Itoa(i) + " is over maxEventBytes, " + strconv.Itoa(limit) + " bytes",
		}
	}
	c, err := event.DecodeItem(event.MediaType(r.Header.Get("Content-Type")) == event.TypeCloudEventBatch, item)
	if err != nil && !keepsMalformed(svc) {
		return gate.Incoming{}, &itemJSON{Status: http.StatusBadRequest, Error: "item " + strconv.Itoa(i) + ": " + err.Error()}
	}
	in := carrying(svc, m, c)
	// The header is the batch's key. An item's key then has its place in the batch as well.
	if in.IdempotencyKey = event.ItemKey(r.Header, i); in.IdempotencyKey == "" {
		in.IdempotencyKey = c.Key
	}
	return in, nil
}

package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Event is an event that [Gate.Send] sends.
type Event struct {
	// EventKey names the endpoint that takes the event.
	EventKey string
	// Feed, in place of EventKey, names a feed, whose routes choose the endpoint.
	Feed string
	// IdempotencyKey names the event: events of an endpoint with the same name count once.
	// It is a line of text. If it is empty, Send makes one for all its attempts. Give one that
	// you keep, if you may send the event again after Send has failed or your process ended.
	IdempotencyKey string
	ContentType    string // of Body; "" is application/octet-stream
	Body           []byte // any bytes; the server takes 1 MiB unless it is configured otherwise
	// Header has further headers, which are kept with the event.
	Header http.Header
}

// Receipt is the server's answer to an event. If Filtered is false and Dropped is empty, the
// event is durable.
type Receipt struct {
	ID         string    `json:"id"`       // of the event; "" if it is not stored
	EventKey   string    `json:"eventKey"` // the endpoint that took it
	ReceivedAt time.Time `json:"receivedAt"`
	Duplicate  bool      `json:"duplicate"`  // an event of this name was stored before, perhaps by an attempt whose answer was lost
	Filtered   bool      `json:"filtered"`   // the endpoint's filter does not want it
	Dropped    string    `json:"dropped"`    // noKey, late or noRoute: why it counts in no window
	DeadLetter string    `json:"deadLetter"` // why it goes to the dead letters
	Superseded bool      `json:"superseded"` // another event with the same distinct value counts
	Triggered  string    `json:"triggered"`  // the eventID of the message that this request released; mostly ""
	Published  bool      `json:"published"`  // whether the bus has that message already
}

// Send sends an event, and returns once the server has stored it. It tries again while the
// server cannot be reached, restarts or is busy, with growing random pauses and not before a
// Retry-After, until ctx ends, or for five minutes if ctx has no deadline. An event that
// arrived in several attempts counts once.
//
// The error is an [Error] if the server refuses the event, or has refused it for now when
// Send gave up. It wraps the error of ctx if Send gave up: the event may have been stored.
func (g *Gate) Send(ctx context.Context, e Event) (Receipt, error) {
	path, err := pathOf("/event/", e.EventKey, "/feed/", e.Feed)
	if err != nil {
		return Receipt{}, err
	}
	key := e.IdempotencyKey
	if key == "" {
		key = rand.Text()
	}
	header, err := headerOf(e.Header, key, e.ContentType)
	if err != nil {
		return Receipt{}, err
	}
	var r Receipt
	err = g.do(ctx, call{http.MethodPost, path, header, e.Body}, decode(&r))
	return r, err
}

// Batch is a list of events that [Gate.SendBatch] sends: one for each item.
type Batch struct {
	EventKey string // names the endpoint that takes the events
	Feed     string // in place of EventKey, names a feed
	// Items are JSON. Each becomes the body of an event.
	Items []json.RawMessage
	// CloudEvents says that the items are CloudEvents in the JSON format. Their source and id
	// then name them, unless IdempotencyKey is given.
	CloudEvents bool
	// IdempotencyKey names the batch, and so each item by its place in it: a batch that you
	// send again must have the same items. If it is empty, SendBatch makes one for all its
	// attempts, unless the items are CloudEvents.
	IdempotencyKey string
	// Header has further headers, which are kept with each event.
	Header http.Header
}

// Result is the server's answer to one item of a batch. Its Triggered is empty.
type Result struct {
	Receipt
	Status int    `json:"status"` // 200, or what the item would have got alone: 400 or 413
	Error  string `json:"error"`  // why the item was not taken
}

// BatchReceipt is the server's answer to a batch.
type BatchReceipt struct {
	Results   []Result // one for each item, in their order
	Triggered []string // the eventIDs of the messages that it released
}

// Bounds of a request to /events and /feeds.
const (
	maxBatchItems = 1000
	maxBatchBytes = 16 << 20
)

// SendBatch sends a batch as [Gate.Send] sends an event, in as many requests as its size
// needs. An item that the server refuses does not stop the others: see its Result.
//
// If there is an error, the results of the requests before it are returned. Send the same
// batch again, under the same IdempotencyKey or as CloudEvents, and no item counts twice.
func (g *Gate) SendBatch(ctx context.Context, b Batch) (BatchReceipt, error) {
	var out BatchReceipt
	path, err := pathOf("/events/", b.EventKey, "/feeds/", b.Feed)
	if err != nil {
		return out, err
	}
	for i, item := range b.Items {
		if !json.Valid(item) {
			return out, fmt.Errorf("headgate: item %d of the batch is not JSON", i)
		}
	}
	key, media := b.IdempotencyKey, "application/json"
	if b.CloudEvents {
		media = "application/cloudevents-batch+json"
	} else if key == "" {
		key = rand.Text()
	}
	for at := 0; at < len(b.Items); {
		n := fits(b.Items[at:])
		name := key
		if name != "" && (at > 0 || n < len(b.Items)) { // the server numbers the items of each request from 0
			name += "/" + strconv.Itoa(at)
		}
		header, err := headerOf(b.Header, name, media)
		if err != nil {
			return out, err
		}
		var answer struct {
			Results   []Result
			Triggered string
		}
		body := append(append([]byte{'['}, bytes.Join(rawOf(b.Items[at:at+n]), []byte{','})...), ']')
		if err := g.do(ctx, call{http.MethodPost, path, header, body}, decode(&answer)); err != nil {
			return out, err
		}
		if len(answer.Results) != n {
			return out, fmt.Errorf("headgate: the server answers with %d results to %d items", len(answer.Results), n)
		}
		out.Results = append(out.Results, answer.Results...)
		if answer.Triggered != "" {
			out.Triggered = append(out.Triggered, answer.Triggered)
		}
		at += n
	}
	return out, nil
}

// fits returns how many of the items go into one request: at least one.
func fits(items []json.RawMessage) (n int) {
	size := 1
	for n < len(items) && n < maxBatchItems {
		if size += len(items[n]) + 1; size > maxBatchBytes && n > 0 {
			break
		}
		n++
	}
	return n
}

func rawOf(items []json.RawMessage) [][]byte {
	out := make([][]byte, len(items))
	for i, item := range items {
		out[i] = item
	}
	return out
}

// pathOf returns the path of an endpoint or of a feed, one of which must be given.
func pathOf(toEndpoint, eventKey, toFeed, feed string) (string, error) {
	switch {
	case (eventKey == "") == (feed == ""):
		return "", errors.New("headgate: one of EventKey and Feed must be given")
	case feed != "":
		return toFeed + url.PathEscape(feed), nil
	default:
		return toEndpoint + (&url.URL{Path: eventKey}).EscapedPath(), nil
	}
}

// headerOf returns the headers of a request that stay the same at each attempt.
func headerOf(more http.Header, key, contentType string) (http.Header, error) {
	header := more.Clone()
	if header == nil {
		header = http.Header{}
	}
	if strings.TrimSpace(key) != key { // servers trim headers, and two names would become one
		return nil, fmt.Errorf("headgate: the IdempotencyKey %q begins or ends with white space", key)
	}
	if contentType == "" && header.Get("Content-Type") == "" {
		contentType = "application/octet-stream"
	}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	return header, nil
}

// maxAnswer is the most that an answer to events may have, in bytes.
const maxAnswer = 32 << 20

// decode returns a function that reads a JSON answer into v. An answer that is no JSON comes
// from something else than Headgate. One that breaks off is read again.
func decode(v any) func(io.Reader) error {
	return func(r io.Reader) error {
		body, err := io.ReadAll(io.LimitReader(r, maxAnswer))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, v); err != nil {
			return &final{fmt.Errorf("headgate: the answer is not Headgate's: %w", err)}
		}
		return nil
	}
}

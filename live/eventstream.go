package live

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// maxStreamed bounds the entities of a stream: the id of every event says which version
// the client has of each.
const maxStreamed = 50

// stream is an event stream as a transport.
type stream struct {
	w    http.ResponseWriter
	c    *http.ResponseController
	done chan struct{}
	once sync.Once // closes done

	mu sync.Mutex
	// have is the version that the client has, of the entities that it named. Those that
	// come under a subscription to all of a type are not in it: it would grow for ever.
	have  map[string]string // by streamKey
	named map[string]bool   // by streamKey
	over  bool              // the handler has returned
}

// streamKey returns the name of an entity in an event's id.
func streamKey(name Name) string { return name.Entity + "\x00" + name.ID }

// Write sends a message as an event. The event's id holds the versions that the client has
// with it: an EventSource sends it back in Last-Event-ID.
func (s *stream) Write(m message) error {
	frame := m.payload()
	// The frame may be large, and many slow clients share it: its data is neither decoded
	// nor copied.
	var r struct {
		Type             string `json:"type"`
		Entity           string `json:"entity"`
		ID               string `json:"id"`
		Version          string `json:"version"`
		ReconnectAfterMs int    `json:"reconnectAfterMs"`
	}
	_ = json.Unmarshal(frame, &r) // it is ours
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Type {
	case "entity", "current", "gone":
		if k := streamKey(Name{r.Entity, r.ID}); s.named[k] {
			s.have[k] = r.Version
		}
	}
	id, err := json.Marshal(s.have)
	if err != nil {
		return err
	}
	retry := ""
	if r.Type == "bye" { // an EventSource obeys this, and does not read the frame
		retry = fmt.Sprintf("retry: %d\n", r.ReconnectAfterMs)
	}
	head := fmt.Sprintf("%sid: %s\ndata: ", retry, base64.RawURLEncoding.EncodeToString(id))
	return s.send([]byte(head), frame, []byte("\n\n"))
}

// send writes and flushes; s.mu is held.
func (s *stream) send(text ...[]byte) error {
	if s.over {
		return http.ErrHandlerTimeout
	}
	if err := s.c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	for _, part := range text {
		if _, err := s.w.Write(part); err != nil {
			return err
		}
	}
	return s.c.Flush()
}

// Ping sends an event with a name of its own. A page's EventSource would not report a
// comment, so a page could not tell a quiet stream from a dead one; and listeners for
// messages do not see named events.
func (s *stream) Ping() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send([]byte("event: ping\ndata: {}\n\n"))
}

func (s *stream) Close(int, string) { s.once.Do(func() { close(s.done) }) }

// ServeEventStream does what the handler of [Hub.EventStream] does once it knows what
// the client may do, as ServeWebSocket does for WebSockets: an error is a
// [*RefusedError], and nothing has been written. Otherwise it returns when the client
// is gone.
func (h *Hub) ServeEventStream(w http.ResponseWriter, r *http.Request, access Access) error {
	names, err := streamed(r, access)
	if err != nil {
		return err
	}
	if err := checkAccess(access); err != nil {
		return err
	}
	if r.Method == http.MethodHead { // it asks about the stream, and is no client
		streamHeader(w.Header())
		w.WriteHeader(http.StatusOK)
		return nil
	}
	had := lastEvent(r)
	s := &stream{w: w, c: http.NewResponseController(w), done: make(chan struct{}), have: map[string]string{}, named: map[string]bool{}}
	weight := int64(0)
	for _, name := range names {
		k := streamKey(name)
		s.named[k] = true
		if v, known := had[k]; known {
			s.have[k] = v
		}
		weight += weightOf(name)
	}
	_ = s.c.SetReadDeadline(time.Time{})
	if err := h.admitClient(weight); err != nil {
		return err
	}
	c := &client{
		transport: s, kind: "sse", remote: r.RemoteAddr, protocol: Versioned,
		allowed: access.Allowed, until: access.Until, secret: access.Secret, weight: clientWeight,
	}
	s.mu.Lock() // once it has joined, others may write to it: the header comes first
	if !h.join(c) {
		s.mu.Unlock()
		h.memory.Give(clientWeight)
		return refuse(http.StatusServiceUnavailable, "the server restarts: reconnect", 0)
	}
	defer c.close(closeGoingAway, "")
	err = s.begin()
	s.mu.Unlock()
	if err != nil {
		return nil // the client is gone
	}
	for _, name := range names {
		version := had[streamKey(name)]
		c.subscribe(target{Entity: name.Entity, ID: name.ID, Have: &version}, "")
	}
	select {
	case <-s.done:
	case <-r.Context().Done():
	}
	c.close(closeGoingAway, "")
	s.mu.Lock()
	s.over = true // nobody may write to the answer after the handler returned
	s.mu.Unlock()
	return nil
}

// begin sends the header, and when to reconnect after a failure. The times are spread,
// or all clients of an instance that dies would reconnect at once. s.mu is held.
func (s *stream) begin() error {
	streamHeader(s.w.Header())
	s.w.WriteHeader(http.StatusOK)
	return s.send(fmt.Appendf(nil, "retry: %d\n\n", 1000+rand.IntN(3000)))
}

// streamHeader sets the header of an event stream.
func streamHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses would hold events back
	h.Set("X-Accel-Buffering", "no")                 // nginx would, too
}

// streamed returns the entities that the query names.
func streamed(r *http.Request, access Access) ([]Name, error) {
	q := r.URL.Query()
	entities, ids := q["entity"], q["id"]
	if len(entities) == 0 || len(entities) != len(ids) || len(entities) > maxStreamed {
		return nil, refuse(http.StatusBadRequest, fmt.Sprintf("entity and id must come in pairs, from 1 to %d of them", maxStreamed), 0)
	}
	names := make([]Name, len(entities))
	for i := range entities {
		names[i] = Name{entities[i], ids[i]}
		key := KeyOf(entities[i], ids[i])
		if !key.subscribable() {
			return nil, refuse(http.StatusBadRequest, nameRule, 0)
		}
		if access.Allowed != nil && !access.Allowed(key) {
			return nil, refuse(http.StatusForbidden, fmt.Sprintf("this connection may not subscribe to %s %q", entities[i], ids[i]), 0)
		}
	}
	return names, nil
}

// lastEvent returns the versions that the client has, by streamKey, from the id of the
// last event that it got. To a client whose id is not ours, everything is new.
func lastEvent(r *http.Request) map[string]string {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("lastEventId") // for clients that cannot send the header
	}
	had := map[string]string{}
	if b, err := base64.RawURLEncoding.DecodeString(last); last == "" || err != nil || json.Unmarshal(b, &had) != nil || had == nil {
		return map[string]string{}
	}
	return had
}

package live

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
)

// maxStreamSubs is how many entities a stream may have: the id of every event
// says what the client has of each.
const maxStreamSubs = 50

// stream is a client's connection as an event stream.
type stream struct {
	w    http.ResponseWriter
	c    *http.ResponseController
	done chan struct{}

	mu   sync.Mutex
	have map[string]string // version by "entity\x00id", of those that it names
	// names are what it asked for: what comes by a pattern would grow without end.
	names map[string]bool
	over  bool
	once  sync.Once
}

// Write sends a frame as an event; its id names the versions that the client has
// with it, for Last-Event-ID.
func (s *stream) Write(frame []byte) error {
	// The data is not decoded, and the frame not copied: it is large, and many
	// clients that read slowly have the same one.
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
		if k := r.Entity + "\x00" + r.ID; s.names[k] {
			s.have[k] = r.Version
		}
	}
	id, err := json.Marshal(s.have)
	if err != nil {
		return err
	}
	retry := ""
	if r.Type == "bye" { // an EventSource goes by this
		retry = fmt.Sprintf("retry: %d\n", r.ReconnectAfterMs)
	}
	head := fmt.Sprintf("%sid: %s\ndata: ", retry, base64.RawURLEncoding.EncodeToString(id))
	return s.send([]byte(head), frame, []byte("\n\n"))
}

// send is called with s.mu held.
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

// Ping sends an event of its own name: a page's EventSource says nothing of comments,
// and nothing of this to those who listen to messages.
func (s *stream) Ping() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send([]byte("event: ping\ndata: {}\n\n"))
}

func (s *stream) Close(int, string) { s.once.Do(func() { close(s.done) }) }

// ServeStream serves an event stream (SSE) of the entities that the query names,
// ?entity=items&id=100, any number of pairs, until the client goes.
func (h *Hub) ServeStream(w http.ResponseWriter, r *http.Request, who Connection) error {
	q := r.URL.Query()
	entities, ids := q["entity"], q["id"]
	if len(entities) == 0 || len(entities) != len(ids) || len(entities) > maxStreamSubs {
		return fault.New(fault.Invalid, "entity and id must come in pairs, from 1 to %d of them", maxStreamSubs)
	}
	have := map[string]string{}
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = q.Get("lastEventId") // for those who cannot send the header
	}
	if last != "" {
		b, err := base64.RawURLEncoding.DecodeString(last)
		if err != nil || json.Unmarshal(b, &have) != nil {
			have = map[string]string{} // not one of ours: everything is new
		}
	}
	for i := range entities {
		key := KeyOf(entities[i], ids[i])
		if !key.Valid() {
			return fault.New(fault.Invalid, "entity and id must not be empty, and have at most %d and %d bytes", maxEntity, maxID)
		}
		if who.Allowed != nil && !who.Allowed(key) {
			return fault.New(fault.Forbidden, "this connection may not subscribe to %s %q", entities[i], ids[i])
		}
	}
	s := &stream{w: w, c: http.NewResponseController(w), done: make(chan struct{}), have: map[string]string{}, names: map[string]bool{}}
	for i := range entities {
		k := entities[i] + "\x00" + ids[i]
		s.names[k] = true
		if v, known := have[k]; known {
			s.have[k] = v
		}
	}
	_ = s.c.SetReadDeadline(time.Time{})
	c := &Client{transport: s, kind: "sse", remote: r.RemoteAddr, protocol: 2, allowed: who.Allowed, until: who.Until, secret: who.Secret}
	weight := int64(0)
	for i := range entities {
		weight += subscriptionOf(entities[i], ids[i])
	}
	if err := h.enter(weight); err != nil {
		return err
	}
	c.weight = clientWeight
	s.mu.Lock() // from here on others may write
	if !h.join(c) {
		s.mu.Unlock()
		h.o.Memory.Live.Give(clientWeight)
		return fault.New(fault.Unavailable, "the server restarts: come back")
	}
	defer c.close(closeGoingAway, "")
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	err := s.send([]byte("retry: 2000\n\n"))
	s.mu.Unlock()
	if err != nil {
		return nil
	}
	for i := range entities {
		t := target{Entity: entities[i], ID: ids[i]}
		version := have[entities[i]+"\x00"+ids[i]]
		t.Have = &version
		c.subscribe(t, "")
	}
	select {
	case <-s.done:
	case <-r.Context().Done():
	}
	c.close(closeGoingAway, "")
	s.mu.Lock()
	s.over = true // after a handler nobody may write to its answer
	s.mu.Unlock()
	return nil
}

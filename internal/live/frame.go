package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/headgate/headgate/internal/platform/budget"
)

// request is a frame from a client. encoding/json matches names in any case, as
// entity-sync does.
type request struct {
	Action string          `json:"action"`
	Body   json.RawMessage `json:"body"`
	Ref    ref             `json:"ref"` // comes back with the answer; protocol 2
}

// ref is text. In a frame that is for somebody else it may be anything.
type ref struct {
	text string
	bad  bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *ref) UnmarshalJSON(b []byte) error {
	*r = ref{}
	r.bad = json.Unmarshal(b, &r.text) != nil
	return nil
}

// target is the body of subscribe and unsubscribe.
type target struct {
	Entity string  `json:"entity"`
	ID     string  `json:"id"`
	Have   *string `json:"have"` // the version that the client has, "" for none; protocol 2
}

var errNotObject = errors.New("a frame is a JSON object")

// parseFrame reads a frame. One without an action is for somebody else.
func parseFrame(b []byte) (r request, err error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] != '{' {
		return r, errNotObject
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&r); err != nil {
		if _, is := errors.AsType[*json.UnmarshalTypeError](err); is {
			return r, errors.New("action must be text")
		}
		return r, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, errors.New("there is more than one JSON value in the frame")
	}
	return r, nil
}

// reply is a frame to a client of protocol 2.
type reply struct {
	Type             string          `json:"type"`
	Entity           string          `json:"entity,omitempty"`
	ID               string          `json:"id,omitempty"`
	Version          string          `json:"version,omitempty"`
	Data             json.RawMessage `json:"data,omitempty"`
	Deleted          bool            `json:"deleted,omitempty"`
	Code             string          `json:"code,omitempty"`
	Message          string          `json:"message,omitempty"`
	Ref              string          `json:"ref,omitempty"`
	Connection       string          `json:"connection,omitempty"`
	Protocol         int             `json:"protocol,omitempty"`
	ReconnectAfterMs int             `json:"reconnectAfterMs,omitempty"`
}

func (r reply) frame() []byte {
	b, err := json.Marshal(r)
	if err != nil { // Data was checked when it was fetched
		b, _ = json.Marshal(reply{Type: "error", Code: "internal", Message: "the state cannot be shown", Entity: r.Entity, ID: r.ID})
	}
	return b
}

// snapshot is a state on its way to many clients.
type snapshot struct {
	State
	budget  *budget.Budget // that weight is taken of
	weight  int64
	holders atomic.Int32 // who still has to give it back

	mu    sync.Mutex
	shown []shown // by what clients call the entity: two names at most, see KeyOf
}

type shown struct {
	entity string
	frame  []byte
}

// frame returns what is sent of the state to clients that call the entity so: the
// same bytes to all of them, however many there are.
func (s *snapshot) frame(entity, id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.shown {
		if f.entity == entity {
			return f.frame
		}
	}
	f := shown{entity, entityFrame(entity, id, &s.State)}
	s.shown = append(s.shown, f)
	return f.frame
}

func entityFrame(entity, id string, s *State) []byte {
	r := reply{Type: "entity", Entity: entity, ID: id, Version: s.Version, Deleted: s.Gone}
	switch {
	case s.Gone:
	case len(s.Rows) == 1:
		r.Data = s.Rows[0]
	default:
		r.Data = append(append(json.RawMessage("["), bytes.Join(s.Rows, []byte(","))...), ']')
	}
	return r.frame()
}

func resyncFrame(entity string) []byte {
	return reply{Type: "resync", Entity: entity, Message: "more changed than could wait: read them again"}.frame()
}

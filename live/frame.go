package live

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/decode"
)

// request is a frame from a client. encoding/json matches names in any case, as
// entity-sync does.
type request struct {
	Action string          `json:"action"`
	Body   json.RawMessage `json:"body"`
	Ref    ref             `json:"ref"` // returned in the answer; Versioned only
}

// ref must be text. A frame for PassThrough may have anything there, so that a bad ref
// is an error only where there is an action.
type ref struct {
	text string
	bad  bool
}

// UnmarshalJSON implements [json.Unmarshaler].
func (r *ref) UnmarshalJSON(b []byte) error {
	*r = ref{}
	r.bad = json.Unmarshal(b, &r.text) != nil
	return nil
}

// target is the body of subscribe and unsubscribe.
type target struct {
	Entity string
	ID     string
	Have   *string // the version that the client has, "" for none; Versioned only
}

// targetOf reads a body. ok is false if it is not valid. As in entity-sync, a Plain client
// may leave the id out, which means "".
func targetOf(body []byte, p Protocol) (t target, ok bool) {
	var in struct {
		Entity string  `json:"entity"`
		ID     *string `json:"id"`
		Have   *string `json:"have"`
	}
	if err := json.Unmarshal(body, &in); err != nil || in.ID == nil && p == Versioned {
		return target{}, false
	}
	t = target{Entity: in.Entity, Have: in.Have}
	if in.ID != nil {
		t.ID = *in.ID
	}
	return t, true
}

var errNotObject = errors.New("a frame is a JSON object")

// parseFrame reads a frame. One without an action is for PassThrough.
func parseFrame(b []byte) (r request, err error) {
	b = bytes.TrimSpace(b)
	if string(b) == "null" {
		return r, nil // entity-sync takes it for an object without members
	}
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
	return r, decode.End(d)
}

// reply is a frame to a Versioned client.
type reply struct {
	Type             string          `json:"type"`
	Entity           string          `json:"entity,omitempty"`
	ID               *string         `json:"id,omitempty"` // with every entity: "" is an id
	Version          string          `json:"version,omitempty"`
	Data             json.RawMessage `json:"data,omitempty"`
	Encoding         string          `json:"encoding,omitempty"` // of Data, where rows are not JSON
	Deleted          bool            `json:"deleted,omitempty"`
	Code             string          `json:"code,omitempty"`
	Message          string          `json:"message,omitempty"`
	Ref              string          `json:"ref,omitempty"`
	Connection       string          `json:"connection,omitempty"`
	Protocol         Protocol        `json:"protocol,omitempty"`
	ReconnectAfterMs int             `json:"reconnectAfterMs,omitempty"`
}

// message returns the frame. It cannot fail: Data is JSON.
func (r reply) message() message {
	b, err := json.Marshal(r)
	if err != nil {
		b, _ = json.Marshal(reply{Type: "error", Code: "internal", Message: "the state cannot be shown", Entity: r.Entity, ID: r.ID})
	}
	return newMessage(b, false)
}

// snapshot is a state on its way to many clients. Its memory is counted once, until the
// last of them has it.
type snapshot struct {
	State
	memory  *budget.Budget // that weight is taken from
	weight  int64
	holders atomic.Int32 // that have not dropped it yet
	rows    []message    // in place of State.Rows

	mu    sync.Mutex
	shown []shown // two names at most, see KeyOf
}

// shown is the frame for the clients that call the entity by this name.
type shown struct {
	entity  string
	message message
}

// clientVersion returns the version that a client has once it got the snapshot.
func (s *snapshot) clientVersion() string {
	if s.Gone {
		return goneVersion
	}
	return s.Version
}

// message returns the message for clients that call the entity so. It is made once and
// shared: a change may go to thousands of clients.
func (s *snapshot) message(entity, id string) message {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.shown {
		if f.entity == entity {
			return f.message
		}
	}
	f := shown{entity, entityMessage(entity, id, &s.State)}
	s.shown = append(s.shown, f)
	return f.message
}

// rowMessages returns a message for each row: binary if no text frame can carry it, as browsers
// close a connection with text that is not UTF-8. The state's rows become those in the messages,
// so that they are in memory once.
func rowMessages(s *State) []message {
	rows, messages := make([][]byte, len(s.Rows)), make([]message, len(s.Rows))
	for i, row := range s.Rows {
		messages[i] = newMessage(row, !utf8.Valid(row))
		rows[i] = messages[i].payload()
	}
	s.Rows = rows
	return messages
}

func entityMessage(entity, id string, s *State) message {
	r := reply{Type: "entity", Entity: entity, ID: &id, Version: s.Version, Deleted: s.Gone}
	switch {
	case s.Gone:
	case !allJSON(s.Rows):
		r.Encoding, r.Data = "base64", dataOf(inBase64(s.Rows))
	default:
		r.Data = dataOf(s.Rows)
	}
	return r.message()
}

// dataOf returns one row as it is, and several as a JSON array.
func dataOf(rows [][]byte) json.RawMessage {
	if len(rows) == 1 {
		return rows[0]
	}
	return append(append(json.RawMessage("["), bytes.Join(rows, []byte(","))...), ']')
}

// allJSON reports whether each row is one JSON value that a text frame can carry.
func allJSON(rows [][]byte) bool {
	for _, row := range rows {
		if !utf8.Valid(row) || !json.Valid(row) {
			return false
		}
	}
	return true
}

func inBase64(rows [][]byte) [][]byte {
	out := make([][]byte, len(rows))
	for i, row := range rows {
		b := make([]byte, base64.StdEncoding.EncodedLen(len(row))+2)
		b[0], b[len(b)-1] = '"', '"'
		base64.StdEncoding.Encode(b[1:], row)
		out[i] = b
	}
	return out
}

// resyncMessage tells a client that not all changes of a type could wait for it.
func resyncMessage(entity string) message {
	return reply{Type: "resync", Entity: entity, Message: "more changed than could wait: read them again"}.message()
}

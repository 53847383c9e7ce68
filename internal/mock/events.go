package mock

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// NewSyncServer returns DataCollect's mock sync server. It serves, at any path:
//
//	POST {"data": [event, …]}     stores events; an event replaces one with the same guid
//	GET ?since=TIMESTAMP          returns an array of the events with a later timestamp
func NewSyncServer(o Options) *Server {
	return newServer(o, eventKind(func(s *Server, r *http.Request, body []byte) answer {
		if o.APIKey != "" && !same(r.Header.Get("X-Api-Key"), o.APIKey) || !s.basic(r) {
			return answer{status: http.StatusUnauthorized, body: problem("the credentials are wrong")}
		}
		return s.events(r, body, "data", false)
	}))
}

// NewOpenFn returns OpenFn. It serves, at any path, with the header X-Api-Key:
//
//	POST {"entities": [event, …]}   stores events; an event replaces one with the same guid
//	GET                             is a mere check, as at OpenFn's webhook triggers. At a
//	                                path that ends in /events it has ?since=TIMESTAMP, and
//	                                returns {"events": [event, …]} with a later timestamp
func NewOpenFn(o Options) *Server {
	return newServer(o, eventKind(func(s *Server, r *http.Request, body []byte) answer {
		key := r.Header.Get("X-Api-Key")
		if key == "" || o.APIKey != "" && !same(key, o.APIKey) || !s.basic(r) {
			return answer{status: http.StatusUnauthorized, body: problem("X-Api-Key is missing or wrong")}
		}
		if r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, "/events") {
			return answer{status: http.StatusOK, body: map[string]any{"message": "OpenFn webhook trigger found. Make a POST request to execute this workflow."}}
		}
		return s.events(r, body, "entities", true)
	}))
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// basic reports whether the username and the password are right, or none are configured.
func (s *Server) basic(r *http.Request) bool {
	if s.o.Username == "" && s.o.Password == "" {
		return true
	}
	user, password, ok := r.BasicAuth()
	return ok && same(user, s.o.Username) && same(password, s.o.Password)
}

func eventKind(serve func(*Server, *http.Request, []byte) answer) kind {
	return kind{
		types: []string{"event"},
		identify: func(_ string, row Row) (string, error) {
			guid, ok := row["guid"].(string)
			if !ok || guid == "" {
				return "", errors.New("an event needs a guid, which is a string")
			}
			return guid, nil
		},
		place: func(_, id string, row Row) {
			if id != "" {
				row["guid"] = id
			}
		},
		stamp: func(row, _ Row, now time.Time, byHand bool) {
			// Clients set the timestamp; only a row that is put here by hand may omit it.
			if _, ok := row["timestamp"]; !ok && byHand {
				row["timestamp"] = now.Format(millis)
			}
		},
		serve: serve,
	}
}

func (s *Server) events(r *http.Request, body []byte, envelope string, wrap bool) answer {
	switch r.Method {
	case http.MethodPost:
		return s.postEvents(body, envelope)
	case http.MethodGet:
		return s.getEvents(r, wrap)
	}
	return answer{status: http.StatusMethodNotAllowed, body: problem("only GET and POST are served here")}
}

func (s *Server) postEvents(body []byte, envelope string) answer {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(body, &in); err != nil || in[envelope] == nil {
		return answer{status: http.StatusBadRequest, body: problem(`the body must be {"` + envelope + `": [events]}`)}
	}
	list, err := decode(in[envelope])
	events, ok := list.([]any)
	if err != nil || !ok {
		return answer{status: http.StatusBadRequest, body: problem(envelope + " must be an array of events")}
	}
	rows := make([]Row, len(events))
	for i, e := range events { // check all of them before any is stored
		row, _ := e.(map[string]any)
		if _, err := s.kind.identify("event", row); err != nil {
			return answer{status: http.StatusBadRequest, body: problem(err.Error())}
		}
		rows[i] = row
	}
	for _, row := range rows {
		if _, err := s.write("event", row, false, false); err != nil {
			return answer{status: http.StatusBadRequest, body: problem(err.Error())}
		}
	}
	return answer{status: http.StatusOK, body: map[string]any{"status": "success", "received": len(rows)}}
}

func (s *Server) getEvents(r *http.Request, wrap bool) answer {
	var since time.Time
	if text := r.URL.Query().Get("since"); text != "" {
		t, ok := instant(text)
		if !ok {
			return answer{status: http.StatusBadRequest, body: problem("since is not a timestamp")}
		}
		since = t
	}
	list := []Row{}
	for _, row := range s.tables["event"].seen(s.o.Now()) {
		// A row without a readable timestamp is always returned.
		if t, ok := instant(row["timestamp"]); !ok || since.IsZero() || t.After(since) {
			list = append(list, row)
		}
	}
	if wrap {
		return answer{status: http.StatusOK, body: map[string]any{"events": list}, list: list}
	}
	return answer{status: http.StatusOK, body: list, list: list}
}

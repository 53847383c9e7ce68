package mock

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// NewMyWell returns LegacyMyWell, a LoopBack server. It serves, for the types villages,
// resources and readings:
//
//	GET /api/{type}?filter={"where":…,"order":…,"limit":…,"skip":…}
//	POST /api/{type}             one row, or an array; answers with ids
//	GET, PUT, PATCH, DELETE /api/{type}/{id}
//
// access_token is the credential. Villages and resources are identified by postcode and
// id, readings by their id. An array is stored as a whole or not at all.
func NewMyWell(o Options) *Server {
	return newServer(o, kind{
		types:    []string{"village", "resource", "reading"},
		identify: identifyMyWell,
		place: func(typ, id string, row Row) {
			if id == "" {
				return
			}
			if postcode, rest, ok := strings.Cut(id, "."); ok && typ != "reading" {
				row["postcode"], id = number(postcode), rest
			}
			row["id"] = number(id)
		},
		stamp: func(row, old Row, now time.Time, byHand bool) {
			text := now.Format(millis)
			if _, ok := row["createdAt"]; !ok {
				row["createdAt"] = text
			}
			given := row["updatedAt"] != nil && (old == nil || row["updatedAt"] != old["updatedAt"])
			if _, null := row["updatedAt"]; byHand && null && row["updatedAt"] == nil {
				return // an explicit null asks for a row without updatedAt
			}
			if byHand && row["updatedAt"] != nil || o.KeepTimes && (given || old != nil) {
				return
			}
			row["updatedAt"] = text
		},
		serve: serveMyWell,
	})
}

// number returns an id as a number if it is one, and otherwise as text.
func number(text string) any {
	if v, err := decode([]byte(text)); err == nil {
		if n, ok := v.(json.Number); ok {
			return n
		}
	}
	return text
}

func identifyMyWell(typ string, row Row) (string, error) {
	if row["id"] == nil {
		return "", errors.New("a row needs an id")
	}
	if typ == "reading" {
		return fmt.Sprint(row["id"]), nil
	}
	return fmt.Sprintf("%v.%v", row["postcode"], row["id"]), nil
}

var myWellPaths = map[string]string{"villages": "village", "resources": "resource", "readings": "reading"}

func serveMyWell(s *Server, r *http.Request, body []byte) answer {
	if s.o.AccessToken != "" && !same(r.URL.Query().Get("access_token"), s.o.AccessToken) {
		return loopbackError(http.StatusUnauthorized, "Authorization Required")
	}
	name, id, one := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	typ := myWellPaths[name]
	if typ == "" || !strings.HasPrefix(r.URL.Path, "/api/") {
		return loopbackError(http.StatusNotFound, "There is no method to handle "+r.Method+" "+r.URL.Path)
	}
	if one {
		id, err := url.PathUnescape(id)
		if err != nil {
			return loopbackError(http.StatusBadRequest, "the id is not well-formed")
		}
		return s.oneOf(r, typ, id, body)
	}
	switch r.Method {
	case http.MethodGet:
		rows, err := filtered(s.tables[typ].seen(s.o.Now()), r.URL.Query().Get("filter"))
		if err != nil {
			return loopbackError(http.StatusBadRequest, err.Error())
		}
		return answer{status: http.StatusOK, body: rows, list: rows}
	case http.MethodPost:
		return s.postMyWell(typ, body)
	}
	return loopbackError(http.StatusMethodNotAllowed, "no such method")
}

func (s *Server) postMyWell(typ string, body []byte) answer {
	v, err := decode(body)
	if err != nil {
		return loopbackError(http.StatusBadRequest, "the body is not JSON")
	}
	list, many := v.([]any)
	if !many {
		list = []any{v}
	}
	rows := make([]Row, len(list))
	taken := map[string]bool{} // ids of rows of the array
	for i, e := range list {
		row, ok := e.(map[string]any)
		if !ok {
			return loopbackError(http.StatusBadRequest, "a row must be an object")
		}
		if text := invalid(typ, row); text != "" {
			return loopbackError(http.StatusUnprocessableEntity, text)
		}
		rows[i] = maps.Clone(row)
		if rows[i]["id"] == nil || typ == "reading" {
			delete(rows[i], "id")
			continue
		}
		key, _ := identifyMyWell(typ, row)
		if taken[key] || s.tables[typ].get(key) != nil {
			return loopbackError(http.StatusUnprocessableEntity, "`id` is not unique")
		}
		taken[key] = true
	}
	for i, row := range rows {
		if row["id"] == nil {
			s.giveID(typ, row, taken)
		}
		if rows[i], err = s.write(typ, row, false, false); err != nil {
			return loopbackError(http.StatusUnprocessableEntity, err.Error())
		}
	}
	if many {
		return answer{status: http.StatusOK, body: rows}
	}
	return answer{status: http.StatusOK, body: rows[0]}
}

// giveID gives the row an id that no stored row has, and that is not in taken.
func (s *Server) giveID(typ string, row Row, taken map[string]bool) {
	for {
		s.lastID++
		row["id"] = json.Number(strconv.FormatInt(s.lastID, 10))
		if key, _ := identifyMyWell(typ, row); !taken[key] && s.tables[typ].get(key) == nil {
			return
		}
	}
}

// invalid returns the message of the model's validation; "" if the row is valid.
func invalid(typ string, row Row) string {
	required := []string{"postcode"}
	if typ == "reading" {
		required = []string{"postcode", "resourceId", "date", "value"}
		if _, ok := row["value"].(json.Number); !ok && row["value"] != nil {
			return "The `reading` instance is not valid. Details: `value` is not a number."
		}
	}
	for _, name := range required {
		if row[name] == nil {
			return fmt.Sprintf("The `%s` instance is not valid. Details: `%s` can't be blank.", typ, name)
		}
	}
	return ""
}

func (s *Server) oneOf(r *http.Request, typ, id string, body []byte) answer {
	t := s.tables[typ]
	key, ok := t.find(id)
	if !ok {
		return loopbackError(http.StatusNotFound, fmt.Sprintf("Unknown %q id %q.", typ, id))
	}
	switch r.Method {
	case http.MethodGet:
		return answer{status: http.StatusOK, body: t.get(key)}
	case http.MethodDelete:
		t.remove(key)
		return answer{status: http.StatusOK, body: map[string]any{"count": 1}}
	case http.MethodPut, http.MethodPatch:
		row, err := decodeRow(body)
		if err != nil {
			return loopbackError(http.StatusBadRequest, err.Error())
		}
		old := t.get(key)
		if r.Method == http.MethodPatch {
			row = merged(old, row)
		}
		row["id"] = old["id"]
		if text := invalid(typ, row); text != "" {
			return loopbackError(http.StatusUnprocessableEntity, text)
		}
		if now, _ := identifyMyWell(typ, row); now != key {
			t.remove(key) // the row has another postcode now, and so another key
		}
		if row, err = s.write(typ, row, false, false); err != nil {
			return loopbackError(http.StatusUnprocessableEntity, err.Error())
		}
		return answer{status: http.StatusOK, body: row}
	}
	return loopbackError(http.StatusMethodNotAllowed, "no such method")
}

func loopbackError(status int, message string) answer {
	return answer{status: status, body: map[string]any{
		"error": map[string]any{"statusCode": status, "name": "Error", "message": message},
	}}
}

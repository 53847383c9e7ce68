package mock

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
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
//	POST /api/{type}/update?where={…}    changes all rows that match; answers {"count":…}
//	POST /api/resources/updateResourceByIdAndPostcode    the body has id and postcode
//
// access_token is the credential. Villages and resources are identified by postcode and
// id, readings by their id. An array is stored as a whole or not at all.
//
// It has the habits of the real server, which surprise: /{id} takes a number only, and finds
// the first row with that id, whatever its postcode. A new resource gets an id that begins
// with its village's, and must have one of the two; a village must have an id. Members that
// a model does not have are dropped.
func NewMyWell(o Options) *Server {
	return newServer(o, kind{
		types:    []string{"village", "resource", "reading"},
		identify: identifyMyWell,
		columns: func(typ string) []string {
			return slices.Concat(myWellColumns[typ], []string{"id", "postcode", "createdAt", "updatedAt"}, o.Columns[typ])
		},
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

// myWellColumns has the members of the models, besides those that all of them have.
var myWellColumns = map[string][]string{
	"village": {"name", "coordinates"},
	"resource": {
		"villageId", "owner", "type", "geo", "last_value", "last_date", "well_depth", "elevation", "image", "mobile", "email", "clientId", "villageId,postcode",
	},
	"reading": {"date", "value", "villageId", "resourceId"},
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
		if r.Method == http.MethodPost {
			return s.updateMyWell(r, typ, id, body)
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
		if typ == "resource" && row["id"] == nil && row["villageId"] == nil {
			return loopbackError(http.StatusInternalServerError, "id or villageId is required to create a new resource")
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

// giveID gives the row an id that no stored row has, and that is not in taken. That of a
// resource begins with its village's. An id is not given twice, even if its row was deleted.
func (s *Server) giveID(typ string, row Row, taken map[string]bool) {
	village := ""
	if typ == "resource" {
		village = fmt.Sprint(row["villageId"])
		s.lastID[village] = max(9, s.lastID[village])
	}
	for {
		s.lastID[village]++
		row["id"] = json.Number(fmt.Sprintf("%s%d", village, s.lastID[village]))
		if key, _ := identifyMyWell(typ, row); !taken[key] && s.tables[typ].get(key) == nil {
			return
		}
	}
}

// invalid returns the message of the model's validation; "" if the row is valid.
func invalid(typ string, row Row) string {
	required := []string{"postcode"}
	if typ == "village" {
		required = []string{"postcode", "id"}
	}
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

// updateMyWell changes rows without knowing their ids in the path.
func (s *Server) updateMyWell(r *http.Request, typ, method string, body []byte) answer {
	changes, err := decodeRow(body)
	if err != nil {
		return loopbackError(http.StatusBadRequest, err.Error())
	}
	var found []Row
	switch {
	case method == "updateResourceByIdAndPostcode" && typ == "resource":
		if row := s.tables[typ].get(fmt.Sprintf("%v.%v", changes["postcode"], changes["id"])); row != nil {
			found = []Row{row}
		}
	case method == "update":
		filter, _ := json.Marshal(map[string]any{"where": json.RawMessage(r.URL.Query().Get("where"))})
		if found, err = filtered(s.tables[typ].all(), string(filter)); err != nil {
			return loopbackError(http.StatusBadRequest, err.Error())
		}
	default:
		return loopbackError(http.StatusNotFound, "There is no method to handle POST "+r.URL.Path)
	}
	for i, row := range found {
		next := merged(row, changes)
		next["id"], next["postcode"] = row["id"], row["postcode"]
		if text := invalid(typ, next); text != "" {
			return loopbackError(http.StatusUnprocessableEntity, text)
		}
		if found[i], err = s.write(typ, next, false, false); err != nil {
			return loopbackError(http.StatusUnprocessableEntity, err.Error())
		}
	}
	switch {
	case method == "update":
		return answer{status: http.StatusOK, body: map[string]any{"count": len(found)}}
	case len(found) == 0:
		return loopbackError(http.StatusNotFound, "Could not find resource")
	}
	return answer{status: http.StatusOK, body: found[0]}
}

func (s *Server) oneOf(r *http.Request, typ, id string, body []byte) answer {
	t := s.tables[typ]
	key, ok := t.find(id)
	if _, err := strconv.ParseUint(id, 10, 64); err != nil || !ok {
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

package functions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/sync/exchange"
)

// maxData is the largest body of records, in bytes.
const maxData = 8 << 20

// perReceived is the memory, in bytes, that the answer may take for a record. Longer texts are those of the
// record itself, whose memory the request has.
const perReceived = 512

type receivedJSON struct {
	Results []exchange.Received `json:"results" description:"One per record, in the order of the records."`
}

type sentJSON struct {
	Data []*entity.Entity `json:"data"`
	Next *string          `json:"next" description:"The value of cursor for the next page; null at the end."`
}

// receiveData takes records that another system pushes in (OurWater's
// pushDataFromDatasource).
func receiveData(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "type")
		if err != nil {
			return err
		}
		body, err := web.ReadBody(w, r, maxData, "the limit of a call")
		if err != nil {
			return err
		}
		rows, err := rowsOf(w, r, body)
		if err != nil {
			return err
		}
		if err := web.Answering(r.Context(), w, len(rows)*perReceived); err != nil {
			return err
		}
		results, err := a.Exchange().Receive(r.Context(), r.PathValue("id"), q.Get("type"), rows)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, receivedJSON{results})
	}
}

// rowsOf reads an array of objects, or {"data": […]}. It stops at the first row over the
// limit, and takes the memory of each row before it decodes the row.
func rowsOf(w http.ResponseWriter, r *http.Request, body []byte) ([]map[string]any, error) {
	invalid := func(err error) error {
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return err
		}
		return fault.New(fault.Invalid, `the body must be a JSON array of objects, or {"data": […]}: %s`, err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	start, err := d.Token()
	if err != nil {
		return nil, invalid(err)
	}
	var rows []map[string]any
	switch start {
	case json.Delim('['):
		rows, err = rowsIn(w, r, d)
	case json.Delim('{'):
		rows, err = rowsUnder(w, r, d, "data")
	case nil:
	default:
		err = fmt.Errorf("it is %v", start)
	}
	if err != nil {
		return nil, invalid(err)
	}
	if err := decode.End(d); err != nil {
		return nil, invalid(err)
	}
	return rows, nil
}

// rowsUnder reads the rows of an object's member, and skips the others. Of several
// members of that name the last counts, as in encoding/json.
func rowsUnder(w http.ResponseWriter, r *http.Request, d *json.Decoder, member string) (rows []map[string]any, err error) {
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		if text, _ := name.(string); !strings.EqualFold(text, member) {
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return nil, err
			}
			continue
		}
		switch start, err := d.Token(); {
		case err != nil:
			return nil, err
		case start == nil:
			rows = nil
		case start != json.Delim('['):
			return nil, fmt.Errorf("%s is not an array", member)
		default:
			if rows, err = rowsIn(w, r, d); err != nil {
				return nil, err
			}
		}
	}
	_, err = d.Token()
	return rows, err
}

// rowsIn reads the rest of an array.
func rowsIn(w http.ResponseWriter, r *http.Request, d *json.Decoder) ([]map[string]any, error) {
	rows := []map[string]any{}
	for d.More() {
		if len(rows) == exchange.MaxReceive {
			return nil, fault.New(fault.TooLarge, "there are more than %d records, and that is the most", exchange.MaxReceive)
		}
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return nil, err
		}
		if err := web.Decoding(r.Context(), w, text); err != nil {
			return nil, err
		}
		var row map[string]any
		one := json.NewDecoder(bytes.NewReader(text))
		one.UseNumber()
		if err := one.Decode(&row); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(rows), err)
		}
		if row == nil {
			return nil, fault.New(fault.Invalid, "record %d is null", len(rows))
		}
		rows = append(rows, row)
	}
	_, err := d.Token()
	return rows, err
}

// sendData lets another system pull records out (OurWater's pullDataFromOurWater).
func sendData(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := query(r, "type", "start", "limit", "page", "cursor")
		if err != nil {
			return err
		}
		limit, err := limitOf(q.Get("limit"), defaultPage)
		if err != nil {
			return err
		}
		start, err := natural(q.Get("start"), "start")
		if err != nil {
			return err
		}
		page, err := natural(q.Get("page"), "page")
		if err != nil {
			return err
		}
		skip := start + page*limit
		if q.Has("cursor") && skip > 0 {
			return fault.New(fault.Invalid, "cursor goes with neither start nor page")
		}
		if err := reading(w, r, limit); err != nil {
			return err
		}
		list, next, err := a.Exchange().Send(r.Context(), r.PathValue("id"), q.Get("type"), q.Get("cursor"), skip, limit)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, sentJSON{list, orNull(next)})
	}
}

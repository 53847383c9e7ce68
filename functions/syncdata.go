package functions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/exchange"
)

// maxData is the largest body of records, in bytes.
const maxData = 8 << 20

// syncData lets other systems push records in (POST: pushDataFromDatasource) and
// pull records out (GET: pullDataFromOurWater).
func syncData(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodPost {
			return receiveData(a, w, r)
		}
		return sendData(a, w, r)
	}
}

func receiveData(a *app.App, w http.ResponseWriter, r *http.Request) error {
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
	return web.JSON(w, http.StatusOK, struct {
		Results []exchange.Received `json:"results"`
	}{results})
}

// perReceived is what the answer may have for a record. Longer texts are those of the
// record itself, whose memory the request has.
const perReceived = 512

// maxDocument is the largest document of a store, in bytes: a record, a draft, a run.
const maxDocument = 1 << 20

// rowsOf reads an array of objects, or {"data": […]}. It stops at the first row
// that is one too many, and takes the memory of each before it is decoded.
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
	if _, more := d.Token(); !errors.Is(more, io.EOF) {
		return nil, invalid(errors.New("there is more than one JSON value"))
	}
	return rows, nil
}

// rowsUnder reads the rows of an object's member, of the last where there are
// several, as encoding/json does, and passes over the others.
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

func sendData(a *app.App, w http.ResponseWriter, r *http.Request) error {
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
	return web.JSON(w, http.StatusOK, struct {
		Data []*entity.Entity `json:"data"`
		Next *string          `json:"next"` // for ?cursor=; null at the end
	}{list, orNull(next)})
}

// perRecord is what a record of a page may have before the page's memory is counted
// exactly, which is when it has been read.
const perRecord = 64 << 10

// reading takes memory for a page of records.
func reading(w http.ResponseWriter, r *http.Request, limit int) error {
	return web.Reading(r.Context(), w, min(int64(limit)*perRecord, store.PageBytes))
}

func natural(s, name string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1_000_000 {
		return 0, fault.New(fault.Invalid, "%s must be an integer from 0 to 1000000", name)
	}
	return n, nil
}

// readJSON reads a small JSON body; unknown fields are refused.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := web.ReadBody(w, r, 1<<20, "the limit of a body")
	if err != nil {
		return err
	}
	if err := web.Decoding(r.Context(), w, body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return fault.New(fault.Invalid, "the body is not what it should be: %s", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "the body has more than one JSON value")
	}
	return nil
}

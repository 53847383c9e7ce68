package functions

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/fault"
	"github.com/headgate/headgate/internal/syncrun"
	"github.com/headgate/headgate/internal/web"
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
	rows, err := rowsOf(body)
	if err != nil {
		return err
	}
	results, err := a.Syncs().Receive(r.Context(), r.PathValue("id"), q.Get("type"), rows)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		Results []syncrun.Received `json:"results"`
	}{results})
}

// rowsOf reads an array of objects, or {"data": […]}.
func rowsOf(body []byte) ([]map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var rows []map[string]any
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		var form struct {
			Data []map[string]any `json:"data"`
		}
		err = d.Decode(&form)
		rows = form.Data
	} else {
		err = d.Decode(&rows)
	}
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more than one JSON value")
		}
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, `the body must be a JSON array of objects, or {"data": […]}: %s`, err)
	}
	for i, row := range rows {
		if row == nil {
			return nil, fault.New(fault.Invalid, "record %d is null", i)
		}
	}
	return rows, nil
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
	list, next, err := a.Syncs().Send(r.Context(), r.PathValue("id"), q.Get("type"), q.Get("cursor"), skip, limit)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		Data []syncrun.Outgoing `json:"data"`
		Next *string            `json:"next"` // for ?cursor=; null at the end
	}{list, orNull(next)})
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

package functions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/live"
)

// maxNotified is the largest number of entities that a request may name.
const maxNotified = 1000

type notifiedJSON struct {
	Notified int           `json:"notified" description:"Of how many entities clients were told."`
	NotSent  []app.NotSent `json:"notSent,omitempty" description:"The entities that no client can get, because their resolver may not be called, or there is none."`
}

// notify tells live clients, on every instance, that entities changed.
func notify(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := readBody(w, r, maxBody, "the limit of a body")
		if err != nil {
			return err
		}
		keys, err := keysOf(body)
		if err != nil {
			return err
		}
		keys, not := a.CanSend(r.Context(), keys)
		if len(keys) == 0 {
			f := fault.New(fault.Invalid, "nothing was sent: %s", not[0].Reason)
			for i, n := range not {
				f.Details = append(f.Details, fault.Detail{Path: fmt.Sprintf("$[%d]", i), Message: n.Reason})
			}
			return f
		}
		if err := a.Flow().Notify(r.Context(), keys); err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, notifiedJSON{len(keys), not})
	}
}

// keysOf reads one entity, or a list of them.
func keysOf(body []byte) ([]live.Key, error) {
	var list []struct {
		Entity string  `json:"entity"`
		ID     *string `json:"id"`
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		body = append(append([]byte("["), body...), ']')
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, fault.New(fault.Invalid, `the body must be {"entity":…,"id":…}, or a list of them: %s`, err)
	}
	if err := decode.End(d); err != nil {
		return nil, fault.New(fault.Invalid, "the list of entities: %s", err)
	}
	if len(list) == 0 || len(list) > maxNotified {
		return nil, fault.New(fault.Invalid, "there must be from 1 to %d entities", maxNotified)
	}
	keys := make([]live.Key, len(list))
	for i, n := range list {
		if n.ID == nil {
			return nil, fault.New(fault.Invalid, `item %d: id is required; "" is an id`, i)
		}
		keys[i] = live.KeyOf(n.Entity, *n.ID)
		if err := keys[i].Validate(); err != nil {
			return nil, fault.New(fault.Invalid, "item %d: %s", i, err)
		}
	}
	return keys, nil
}

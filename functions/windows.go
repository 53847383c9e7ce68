package functions

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

type windowsJSON struct {
	Windows []openWindowJSON `json:"windows"`
	Next    *string          `json:"next" description:"The value of after for the next page; null at the end. With a state, a page can have fewer windows than its limit although others follow."`
	Count   *countedJSON     `json:"count,omitempty" description:"Present if the query asks for it."`
}

// maxCounted bounds the events that are read to count keys.
const maxCounted = 200_000

type countedJSON struct {
	Keys int  `json:"keys" description:"Correlation keys for which events wait."`
	More bool `json:"more" description:"More events wait than count allows to read, so there may be more keys."`
}

type openWindowJSON struct {
	CorrelationKey string             `json:"correlationKey,omitempty" description:"What the events share."`
	State          string             `json:"state" enum:"open,closing"`
	Opened         time.Time          `json:"opened"`
	Closes         *time.Time         `json:"closes" description:"null: each event leaves by itself."`
	Endpoints      []haveJSON         `json:"endpoints"`
	Missing        []window.Shortfall `json:"missing" description:"The smallest set of events that would complete the window."`
}

type haveJSON struct {
	EventKey string `json:"eventKey"`
	Have     int    `json:"have"`
	Need     int    `json:"need"`
}

// listWindows lists the windows that have events, the oldest first.
func listWindows(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "limit", "after", "state", "key", "count")
	if err != nil {
		return err
	}
	page := gate.WindowPage{Key: keyOf(r)}
	if page.Limit, err = limitOf(q.Get("limit"), defaultPage); err != nil {
		return err
	}
	if q.Has("after") {
		if page.After, err = parseCursor(q.Get("after")); err != nil {
			return fault.New(fault.Invalid, `after must be the "next" of an earlier answer`)
		}
	}
	if q.Has("state") {
		state := q.Get("state")
		if state != "open" && state != "closing" {
			return fault.New(fault.Invalid, "state must be open or closing")
		}
		closing := state == "closing"
		page.Closing = &closing
	}
	most, err := countedAtMost(q)
	if err != nil {
		return err
	}
	list, next, err := g.OpenWindows(r.Context(), page)
	if err != nil {
		return err
	}
	out := windowsJSON{Windows: make([]openWindowJSON, 0, len(list))}
	for _, o := range list {
		out.Windows = append(out.Windows, toOpenWindow(g, o))
	}
	if next != nil {
		cursor := formatCursor(*next)
		out.Next = &cursor
	}
	if most > 0 {
		keys, more, err := g.CountKeys(r.Context(), most)
		if err != nil {
			return err
		}
		out.Count = &countedJSON{keys, more}
	}
	return web.JSON(w, http.StatusOK, out)
}

// countedAtMost returns how many events may be read to count keys; 0: none are counted.
func countedAtMost(q url.Values) (int, error) {
	if !q.Has("count") {
		return 0, nil
	}
	n, err := strconv.Atoi(q.Get("count"))
	if err != nil || n < 1 || n > maxCounted {
		return 0, fault.New(fault.Invalid, "count must be an integer from 1 to %d", maxCounted)
	}
	return n, nil
}

func toOpenWindow(g *gate.Gate, o gate.OpenWindow) openWindowJSON {
	one := openWindowJSON{CorrelationKey: o.Key, State: "open", Opened: o.Opened, Closes: timeOrNull(o.Closes), Missing: orEmpty(o.Missing)}
	if o.Closing {
		one.State = "closing"
	}
	for i, e := range g.Service().Endpoints {
		one.Endpoints = append(one.Endpoints, haveJSON{e.EventKey, o.Have[i], e.MinNbOfOccurrence})
	}
	return one
}

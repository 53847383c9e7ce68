package functions

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/store"
)

type messageJSON struct {
	EventID        string      `json:"eventID"`
	ClaimID        string      `json:"claimID"`
	Date           time.Time   `json:"date"`
	State          store.State `json:"state"`
	TriggerType    string      `json:"triggerType"`
	NumberOfEvents int         `json:"numberOfEvents"`
	Size           int64       `json:"size"` // bytes; an estimate until published
	Attempts       int         `json:"attempts"`
	PublishedAt    *time.Time  `json:"publishedAt"`
	LastError      string      `json:"lastError,omitempty"`
}

func toMessageJSON(c store.ClaimInfo) messageJSON {
	return messageJSON{
		c.EventID, c.ID, c.Date, c.State, c.TriggerType, c.NumberOfEvents, c.Size, c.Attempts,
		timeOrNull(c.PublishedAt), c.LastError,
	}
}

// messages lists messages, newest first.
func messages(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "limit", "after", "state")
	if err != nil {
		return err
	}
	page := store.Page{Limit: defaultPage}
	if v := q.Get("limit"); q.Has("limit") {
		if page.Limit, err = strconv.Atoi(v); err != nil || page.Limit < 1 || page.Limit > maxPage {
			return fault.New(fault.Invalid, "limit must be an integer from 1 to %d", maxPage)
		}
	}
	if q.Has("after") {
		if page.After, err = parseCursor(q.Get("after")); err != nil {
			return fault.New(fault.Invalid, `after must be the "next" of an earlier answer`)
		}
	}
	if q.Has("state") {
		page.State = store.State(q.Get("state"))
		if page.State != store.Claimed && page.State != store.Published {
			return fault.New(fault.Invalid, "state must be claimed or published")
		}
	}
	infos, err := g.Messages(r.Context(), page)
	if err != nil {
		return err
	}
	out := struct {
		Messages []messageJSON `json:"messages"`
		Next     *string       `json:"next"` // for ?after=; null at the end
	}{Messages: []messageJSON{}}
	for _, c := range infos {
		out.Messages = append(out.Messages, toMessageJSON(c))
	}
	if n := len(infos); n == page.Limit {
		next := formatCursor(store.Cursor{Date: infos[n-1].Date, ID: infos[n-1].ID})
		out.Next = &next
	}
	return web.JSON(w, http.StatusOK, out)
}

// message serves a message whole, as it was published or behind its claim check.
func message(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	started := false
	err := g.WriteMessage(r.Context(), r.PathValue("eventID"), w, func(size int) {
		started = true
		w.Header().Set("Content-Type", "application/json")
		if size >= 0 {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
	})
	if err != nil && started {
		panic(http.ErrAbortHandler) // the reader must not take what it has for the whole
	}
	return err
}

// replay publishes a message again.
func replay(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	c, err := g.Replay(r.Context(), r.PathValue("eventID"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, struct {
		EventID  string `json:"eventID"`
		ClaimID  string `json:"claimID"`
		Replayed bool   `json:"replayed"`
	}{c.EventID, c.ID, true})
}

func formatCursor(c store.Cursor) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.Date.UnixMicro(), 36) + "." + c.ID))
}

func parseCursor(s string) (*store.Cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	date, id, _ := strings.Cut(string(b), ".")
	us, err := strconv.ParseInt(date, 36, 64)
	if err != nil || len(id) != event.IDLen || strings.Trim(id, "0123456789abcdef") != "" {
		return nil, strconv.ErrSyntax
	}
	at := time.UnixMicro(us).UTC()
	if at.Year() < 1 || at.Year() > 9999 { // no store has such a date, and Firestore refuses it
		return nil, strconv.ErrRange
	}
	return &store.Cursor{Date: at, ID: id}, nil
}

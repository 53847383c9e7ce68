package functions

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/store"
)

type messageJSON struct {
	EventID        string      `json:"eventID" description:"The id that consumers deduplicate on."`
	ClaimID        string      `json:"claimID" description:"The id of the claim that took the events out of the window."`
	Date           time.Time   `json:"date" description:"When the events were claimed."`
	State          store.State `json:"state" enum:"claimed,published,dropped" description:"A claimed message waits to be published, or its publication is not recorded yet. A dropped one is the record of a window that closed without a message."`
	TriggerType    string      `json:"triggerType" enum:"window,none"`
	NumberOfEvents int         `json:"numberOfEvents"`
	Size           int64       `json:"size" description:"Bytes. An estimate until the message is published."`
	Attempts       int         `json:"attempts" description:"How often publishing was tried."`
	PublishedAt    *time.Time  `json:"publishedAt"`
	LastError      string      `json:"lastError,omitempty" description:"Why the bus did not take the message the last time."`
	*windowOfMessageJSON
}

// windowOfMessageJSON is present where a service has correlation, deadlines or a condition.
type windowOfMessageJSON struct {
	CorrelationKey string             `json:"correlationKey,omitempty" description:"What the events share."`
	Completion     store.Completion   `json:"completion" enum:"complete,partial,manual,dropped,deadLetter" description:"Why the window was released or closed."`
	Opened         *time.Time         `json:"opened,omitempty"`
	Closes         *time.Time         `json:"closes,omitempty"`
	Missing        []window.Shortfall `json:"missing,omitempty" description:"What the window lacked."`
}

type messagesJSON struct {
	Messages []messageJSON `json:"messages"`
	Next     *string       `json:"next" description:"The value of after for the next page; null at the end."`
}

type replayedJSON struct {
	EventID  string `json:"eventID" description:"The same as before, so that consumers recognise the message."`
	ClaimID  string `json:"claimID"`
	Replayed bool   `json:"replayed"`
}

func toMessageJSON(c store.ClaimInfo) messageJSON {
	m := messageJSON{
		EventID: c.EventID, ClaimID: c.ID, Date: c.Date, State: c.State, TriggerType: c.TriggerType, NumberOfEvents: c.NumberOfEvents,
		Size: c.Size, Attempts: c.Attempts, PublishedAt: timeOrNull(c.PublishedAt), LastError: c.LastError,
	}
	if w := c.Window; w != nil {
		m.windowOfMessageJSON = &windowOfMessageJSON{CorrelationKey: w.Key, Completion: w.Completion, Opened: timeOrNull(w.Opened), Closes: timeOrNull(w.Closes)}
		for _, s := range w.Missing {
			m.Missing = append(m.Missing, window.Shortfall{EventKey: s.Key, Have: s.Have, Need: s.Need})
		}
	}
	return m
}

// completions has the values that windows are listed by.
var completions = []store.Completion{store.Complete, store.Partial, store.Manual, store.Expired, store.DeadLettered}

// listMessages lists messages, newest first.
func listMessages(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "limit", "after", "state", "key", "completion")
	if err != nil {
		return err
	}
	page := store.Page{Limit: defaultPage, Key: keyOf(r)}
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
		if page.State != store.Claimed && page.State != store.Published && page.State != store.Dropped {
			return fault.New(fault.Invalid, "state must be claimed, published or dropped")
		}
	}
	if q.Has("completion") {
		page.Completion = store.Completion(q.Get("completion"))
		if !slices.Contains(completions, page.Completion) {
			return fault.New(fault.Invalid, "completion must be one of %q", completions)
		}
	}
	infos, err := g.Messages(r.Context(), page)
	if err != nil {
		return err
	}
	out := messagesJSON{Messages: []messageJSON{}}
	for _, c := range infos {
		out.Messages = append(out.Messages, toMessageJSON(c))
	}
	if n := len(infos); n == page.Limit {
		next := formatCursor(store.Cursor{Date: infos[n-1].Date, ID: infos[n-1].ID})
		out.Next = &next
	}
	return web.JSON(w, http.StatusOK, out)
}

// getMessage serves a whole message: the published bytes, or the message behind a claim check.
func getMessage(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	started := false
	err := g.WriteMessage(r.Context(), r.PathValue("eventID"), w, func(size int) {
		started = true
		w.Header().Set("Content-Type", "application/json")
		if size >= 0 {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
	})
	if err != nil && started {
		panic(http.ErrAbortHandler) // so that the reader does not take a part for the whole
	}
	return err
}

// replayMessage publishes a message again.
func replayMessage(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	c, err := g.Replay(r.Context(), r.PathValue("eventID"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, replayedJSON{c.EventID, c.ID, true})
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
	if at.Year() < 1 || at.Year() > 9999 { // no message has such a date, and Firestore refuses it
		return nil, strconv.ErrRange
	}
	return &store.Cursor{Date: at, ID: id}, nil
}

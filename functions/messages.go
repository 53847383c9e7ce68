package functions

import (
	"encoding/base64"
	"net/http"
	"net/url"
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
	State          store.State `json:"state" enum:"claimed,published,dropped,failed" description:"A claimed message waits to be published, or its publication is not recorded yet. A dropped one is the record of a window that closed without a message. A failed one was given up by a target, and the other targets have it."`
	TriggerType    string      `json:"triggerType" enum:"window,none"`
	NumberOfEvents int         `json:"numberOfEvents"`
	Size           int64       `json:"size" description:"Bytes. An estimate until the message is published."`
	Attempts       int         `json:"attempts" description:"How often publishing was tried."`
	PublishedAt    *time.Time  `json:"publishedAt"`
	LastError      string      `json:"lastError,omitempty" description:"Why the bus did not take the message the last time."`
	// Targets are present where a service has several.
	Targets []targetJSON `json:"targets,omitempty" description:"What became of the message at each target, where the service has several."`
	*windowOfMessageJSON
}

// targetJSON is the state of a message at one of several targets.
type targetJSON struct {
	Name        string           `json:"name"`
	State       gate.TargetState `json:"state" enum:"pending,delivered,failed" description:"A failed target gets no further attempt until the message is replayed."`
	Attempts    int              `json:"attempts"`
	NextAttempt *time.Time       `json:"nextAttempt,omitempty"`
	DeliveredAt *time.Time       `json:"deliveredAt,omitempty"`
	LastError   string           `json:"lastError,omitempty" description:"Why the target did not take the message the last time."`
}

func toTargetJSON(t store.Target) targetJSON {
	return targetJSON{t.Name, gate.StateAt(t), t.Attempts, timeOrNull(t.NextAttempt), timeOrNull(t.DeliveredAt), t.LastError}
}

// windowOfMessageJSON is present where a service has correlation, deadlines or a condition.
type windowOfMessageJSON struct {
	CorrelationKey string             `json:"correlationKey,omitempty" description:"What the events share."`
	Completion     store.Completion   `json:"completion" enum:"complete,partial,manual,dropped,deadLetter" description:"Why the window was released or closed."`
	Reason         string             `json:"reason,omitempty" description:"Why a single event went to the dead letters."`
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
	for _, t := range c.Targets {
		m.Targets = append(m.Targets, toTargetJSON(t))
	}
	if w := c.Window; w != nil {
		m.windowOfMessageJSON = &windowOfMessageJSON{
			CorrelationKey: w.Key, Completion: w.Completion, Reason: w.Reason, Opened: timeOrNull(w.Opened), Closes: timeOrNull(w.Closes),
		}
		for _, s := range w.Missing {
			m.Missing = append(m.Missing, window.Shortfall{EventKey: s.Key, Have: s.Have, Need: s.Need})
		}
	}
	return m
}

// completions has the values that windows are listed by.
var completions = []store.Completion{store.Complete, store.Partial, store.Manual, store.Expired, store.DeadLettered}

// targetStates has the values that messages are listed by.
var targetStates = []gate.TargetState{gate.TargetPending, gate.TargetDelivered, gate.TargetFailed}

// listMessages lists messages, newest first.
func listMessages(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "limit", "after", "state", "key", "completion", "target", "targetState", "eventID", "since", "until")
	if err != nil {
		return err
	}
	if q.Has("eventID") {
		return findMessage(g, w, r, q)
	}
	page, err := messagePage(q)
	if err != nil {
		return err
	}
	since, err := between(q, &page)
	if err != nil {
		return err
	}
	page.Key = keyOf(r)
	at := gate.AtTarget{Name: q.Get("target"), State: gate.TargetState(q.Get("targetState"))}
	if q.Has("target") && at.Name == "" {
		return fault.New(fault.Invalid, "target is empty: the targets are %s", strings.Join(g.TargetNames(), ", "))
	}
	if q.Has("targetState") && !slices.Contains(targetStates, at.State) {
		return fault.New(fault.Invalid, "targetState must be one of %q", targetStates)
	}
	infos, next, err := g.MessagesAt(r.Context(), page, since, at)
	if err != nil {
		return err
	}
	out := messagesJSON{Messages: []messageJSON{}}
	for _, c := range infos {
		out.Messages = append(out.Messages, toMessageJSON(c))
	}
	if next != nil {
		cursor := formatCursor(*next)
		out.Next = &cursor
	}
	return web.JSON(w, http.StatusOK, out)
}

// findMessage lists the one message that has the eventID, or none.
func findMessage(g *gate.Gate, w http.ResponseWriter, r *http.Request, q url.Values) error {
	if len(q) > 1 {
		return fault.New(fault.Invalid, "eventID goes with no other parameter")
	}
	out := messagesJSON{Messages: []messageJSON{}}
	switch c, err := g.MessageInfo(r.Context(), q.Get("eventID")); {
	case fault.CodeOf(err) == fault.NotFound:
	case err != nil:
		return err
	default:
		out.Messages = append(out.Messages, toMessageJSON(c))
	}
	return web.JSON(w, http.StatusOK, out)
}

// between reads since and until. The list is ordered by time, the newest first, so it begins
// at until.
func between(q url.Values, page *store.Page) (since time.Time, err error) {
	if since, err = instantOf(q.Get("since"), "since"); err != nil {
		return since, err
	}
	until, err := instantOf(q.Get("until"), "until")
	if err != nil || until.IsZero() {
		return since, err
	}
	if page.After == nil || page.After.Date.After(until) {
		page.After = &store.Cursor{Date: until, ID: strings.Repeat("0", event.IDLen)}
	}
	return since, nil
}

// messagePage reads which messages to list, but for what happened at their targets.
func messagePage(q url.Values) (page store.Page, err error) {
	page.Limit = defaultPage
	if q.Has("limit") {
		if page.Limit, err = strconv.Atoi(q.Get("limit")); err != nil || page.Limit < 1 || page.Limit > maxPage {
			return page, fault.New(fault.Invalid, "limit must be an integer from 1 to %d", maxPage)
		}
	}
	if q.Has("after") {
		if page.After, err = parseCursor(q.Get("after")); err != nil {
			return page, fault.New(fault.Invalid, `after must be the "next" of an earlier answer`)
		}
	}
	if q.Has("state") {
		page.State = store.State(q.Get("state"))
		if !slices.Contains([]store.State{store.Claimed, store.Published, store.Dropped, store.Failed}, page.State) {
			return page, fault.New(fault.Invalid, "state must be claimed, published, dropped or failed")
		}
	}
	if q.Has("completion") {
		page.Completion = store.Completion(q.Get("completion"))
		if !slices.Contains(completions, page.Completion) {
			return page, fault.New(fault.Invalid, "completion must be one of %q", completions)
		}
	}
	return page, nil
}

// getMessage serves a whole message: the published bytes, or the message behind a claim check.
func getMessage(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	started := false
	err := g.WriteMessage(r.Context(), r.PathValue("eventID"), w, func(size int) {
		started = true
		web.Pace(w, web.AnswerTime)
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

// replayMessage publishes a message again, to one target or to all.
func replayMessage(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "target")
	if err != nil {
		return err
	}
	if q.Has("target") && q.Get("target") == "" {
		return fault.New(fault.Invalid, "target is empty: the targets are %s", strings.Join(g.TargetNames(), ", "))
	}
	c, err := g.Replay(r.Context(), r.PathValue("eventID"), q.Get("target"))
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

package functions

import (
	"net/http"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/web"
)

type statusJSON struct {
	ServiceName string             `json:"serviceName"`
	TriggerType string             `json:"triggerType" enum:"window,none"`
	Complete    bool               `json:"complete" description:"Every endpoint has the events that it needs."`
	Endpoints   []endpointJSON     `json:"endpoints"`
	Missing     []window.Shortfall `json:"missing" description:"The endpoints that lack events."`
	Window      *openWindowJSON    `json:"window,omitempty" description:"The oldest window that has events, of a service whose windows close. With correlation, ask for a key."`
	Outbox      outboxJSON         `json:"outbox"`
	LastMessage *messageJSON       `json:"lastMessage"`
	Counted     *time.Time         `json:"countedSince,omitempty" description:"When this instance started: counts are those since then, of this instance. Present with counts."`
	Feeds       []feedJSON         `json:"feeds,omitempty" description:"Events of feeds that no route took."`
	Alerts      []alertJSON        `json:"alerts,omitempty" description:"The latest alerts, the newest first, of a service with alerts or expectations."`
	Warnings    []string           `json:"warnings,omitempty" description:"What an operator should correct, such as a sync that messages start and that does not exist."`
}

type endpointJSON struct {
	EventKey       string     `json:"eventKey"`
	Have           int        `json:"have" description:"Events in the window."`
	Need           int        `json:"need" description:"Events that the window needs to be complete."`
	FirstEvent     *time.Time `json:"firstEvent"`
	LastEvent      *time.Time `json:"lastEvent"`
	OldestLeavesAt *time.Time `json:"oldestLeavesAt" description:"When the oldest event leaves the window."`
	Expired        int        `json:"expired" description:"Events that have ever left the window without a message. Each sweep that finds some logs a warning."`

	Counts *eventCountsJSON `json:"counts,omitempty" description:"Events that this instance took and that are in no window. Absent if there are none."`
}

type eventCountsJSON struct {
	Duplicate    int `json:"duplicate" description:"Stored before under the same idempotency key."`
	Filtered     int `json:"filtered" description:"The filter was false."`
	Superseded   int `json:"superseded" description:"Another event with the same distinct value counts."`
	Dropped      int `json:"dropped" description:"Without a key, too late, or without a route, and the policy is drop."`
	DeadLettered int `json:"deadLettered" description:"Sent to the dead letters."`
	Refused      int `json:"refused" description:"An expression refused them. They were not acknowledged."`
}

type feedJSON struct {
	Name   string           `json:"name"`
	Counts *eventCountsJSON `json:"counts,omitempty"`
}

// countsOf returns nil if nothing was counted.
func countsOf(c gate.Counts) *eventCountsJSON {
	if c == (gate.Counts{}) {
		return nil
	}
	out := eventCountsJSON(c)
	return &out
}

type outboxJSON struct {
	Backlog int        `json:"backlog" description:"Messages that are claimed and not published yet."`
	Oldest  *time.Time `json:"oldest" description:"When the oldest of them was claimed."`
	Warning *string    `json:"warning" description:"What to do about messages that wait for long."`
}

// counts reports whether anything was counted.
func (s statusJSON) counts() bool {
	return slices.ContainsFunc(s.Endpoints, func(e endpointJSON) bool { return e.Counts != nil }) ||
		slices.ContainsFunc(s.Feeds, func(f feedJSON) bool { return f.Counts != nil })
}

type alertJSON struct {
	alert.Alert
	Waiting   bool   `json:"waiting,omitempty" description:"Some receiver does not have it yet."`
	LastError string `json:"lastError,omitempty" description:"The error of the last attempt to deliver it."`
}

// showStatus shows the window and the messages that wait.
func showStatus(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	key, err := oneKey(r)
	if err != nil {
		return err
	}
	s, err := g.Status(r.Context(), key)
	if err != nil {
		return err
	}
	out := statusJSON{
		ServiceName: g.Service().ServiceName, TriggerType: g.Service().Trigger.Type,
		Complete: s.Complete, Missing: orEmpty(s.Missing),
		Outbox:   outboxJSON{s.Backlog, timeOrNull(s.BacklogOldest), orNull(s.Warning)},
		Warnings: s.Warnings,
	}
	for _, e := range s.Endpoints {
		out.Endpoints = append(out.Endpoints, endpointJSON{
			e.EventKey, e.Have, e.Need, timeOrNull(e.First), timeOrNull(e.Last), timeOrNull(e.OldestLeaves), e.Expired, countsOf(e.Counts),
		})
	}
	for _, f := range s.Feeds {
		out.Feeds = append(out.Feeds, feedJSON{f.Name, countsOf(f.Counts)})
	}
	if out.counts() {
		out.Counted = &s.CountedSince
	}
	if s.Window != nil && g.Closes() {
		o := toOpenWindow(g, *s.Window)
		out.Window = &o
	}
	for _, a := range s.Alerts {
		out.Alerts = append(out.Alerts, alertJSON{a.Alert, a.Waiting, a.LastError})
	}
	if s.LastMessage != nil {
		m := toMessageJSON(*s.LastMessage)
		out.LastMessage = &m
	}
	return web.JSON(w, http.StatusOK, out)
}

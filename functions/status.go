package functions

import (
	"net/http"
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
	Outbox      outboxJSON         `json:"outbox"`
	LastMessage *messageJSON       `json:"lastMessage"`
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
}

type outboxJSON struct {
	Backlog int        `json:"backlog" description:"Messages that are claimed and not published yet."`
	Oldest  *time.Time `json:"oldest" description:"When the oldest of them was claimed."`
	Warning *string    `json:"warning" description:"What to do about messages that wait for long."`
}

type alertJSON struct {
	alert.Alert
	Waiting   bool   `json:"waiting,omitempty" description:"Some receiver does not have it yet."`
	LastError string `json:"lastError,omitempty" description:"The error of the last attempt to deliver it."`
}

// showStatus shows the window and the messages that wait.
func showStatus(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	s, err := g.Status(r.Context(), keyOf(r))
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
			e.EventKey, e.Have, e.Need, timeOrNull(e.First), timeOrNull(e.Last), timeOrNull(e.OldestLeaves), e.Expired,
		})
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

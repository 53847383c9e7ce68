package gate

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// typeOf returns the CloudEvents type of a claim's message.
func typeOf(c store.ClaimInfo) string {
	if w := c.Window; w != nil && w.Completion != store.Complete {
		return "dev.headgate.sync." + string(w.Completion) + ".v1"
	}
	return occurrence.Message
}

// source returns the CloudEvents source of the service's messages and alerts.
func (g *Gate) source() string { return "/services/" + PathSegment(g.svc.ServiceName) }

// occurrenceOfMessage returns the write that tells of the claim's message, for the commit of
// the claim. The occurrence only names the message, because its events may be gigabytes, and
// are stored already. Dead letters and the records of dropped windows have none: they are no
// messages of the service.
func (g *Gate) occurrenceOfMessage(ctx context.Context, c store.Claim) []store.Write {
	if c.State == store.Dropped || isDeadLetter(c.ClaimInfo) || !g.outbox.Wants(ctx, typeOf(c.ClaimInfo), c.Service) {
		return nil
	}
	data, err := json.Marshal(struct {
		EventID     string    `json:"eventID"`
		Date        time.Time `json:"date"`
		ServiceName string    `json:"serviceName"`
		TriggerType string    `json:"triggerType"`
		ContentURL  string    `json:"contentURL"`
	}{c.EventID, c.Date, c.Service, c.TriggerType, g.contentURL(c.EventID)})
	if err != nil { // not reached
		g.log.Error("a message could not be told to those who subscribed", "eventID", c.EventID, "error", err)
		return nil
	}
	return g.outbox.Writes(ctx, occurrence.Occurrence{
		ID: c.EventID, Type: typeOf(c.ClaimInfo), Source: g.source(), Subject: c.Service, Time: c.Date, Data: data, Service: c.Service, EventID: c.EventID,
	})
}

// occurrenceOfAlert returns the write that tells of an alert, for the commit that creates it.
func (g *Gate) occurrenceOfAlert(ctx context.Context, a alert.Alert) ([]store.Write, error) {
	if !g.outbox.Wants(ctx, occurrence.Alert, g.svc.ServiceName) {
		return nil, nil
	}
	data, err := a.Encode()
	if err != nil {
		return nil, err
	}
	return g.outbox.Writes(ctx, occurrence.Occurrence{
		ID: a.ID, Type: occurrence.Alert, Source: g.source(), Subject: g.svc.ServiceName, Time: a.At, Data: data,
	}), nil
}

// Message returns a message as the targets of the service get it: whole, or as a claim check
// if it is too large. done gives back its memory. NotFound: there is none. Gone: its events
// have expired. Conflict: it is too large, and its format has no claim check.
func (g *Gate) Message(ctx context.Context, eventID string) (data []byte, done func(), err error) {
	c, err := g.claimOf(ctx, eventID)
	if err != nil {
		return nil, nil, err
	}
	built, err := g.assemble(ctx, c, longestBuild)
	if fault.CodeOf(err) == fault.Conflict {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, g.expired(err, eventID)
	}
	return built.data, built.done, nil
}

package outgoing

import "context"

// Trial is the outcome of a test delivery.
type Trial struct {
	WebhookID string `json:"webhookId"`
	OK        bool   `json:"ok" description:"The URL answered with 2xx."`
	Attempt
}

// Try calls the target once with a test delivery, and returns what it answered. The body
// has no data, so that no receiver takes it for a list. It is signed like a delivery, and is
// neither recorded nor tried again. It waits for no other delivery, and ends no pause.
func (s *Service) Try(ctx context.Context, id string) (*Trial, error) {
	t, err := s.targets.find(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &Trial{WebhookID: "msg_" + s.random()}
	began := s.now()
	status, _, err := s.sender.send(ctx, t, &Delivery{WebhookID: out.WebhookID, List: t.List, CreatedAt: began, trial: true})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out.OK, out.Attempt = err == nil, Attempt{At: began, Status: status, TookMs: s.now().Sub(began).Milliseconds()}
	if err != nil {
		out.Error = err.Error()
	}
	return out, nil
}

// trialBody is the data of a test delivery.
func trialBody(d *Delivery) any {
	return struct {
		Test bool   `json:"test"`
		List string `json:"externalTaskListId,omitempty"`
	}{true, d.List}
}

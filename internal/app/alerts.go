package app

import (
	"context"
	"fmt"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/gate/target"
)

// alertSenders returns the senders of the HTTP endpoints that get a service's alerts, in the
// configuration's order.
func (a *App) alertSenders(ctx context.Context, svc config.Service) (senders []target.Sender, err error) {
	if svc.Alerts == nil {
		return nil, nil
	}
	for i := range svc.Alerts.HTTP {
		s, err := a.httpSender(ctx, &svc.Alerts.HTTP[i])
		if err != nil {
			return nil, fmt.Errorf("alerts.http[%d]: %w", i, err)
		}
		senders = append(senders, s)
	}
	return senders, nil
}

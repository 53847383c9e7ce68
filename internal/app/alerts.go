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
		setting := fmt.Sprintf("alerts.http[%d]", i)
		s, err := a.httpSender(ctx, setting, &svc.Alerts.HTTP[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
		senders = append(senders, s)
	}
	return senders, nil
}

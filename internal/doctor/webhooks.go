package doctor

import (
	"context"
	"fmt"
)

// webhookCheck looks for registered URLs that take no deliveries.
func (e *examination) webhookCheck() Check {
	const code = "webhook.delivered"
	return Check{Name: "the store, asked for webhooks,", Code: "webhook", Do: func(ctx context.Context, found func(Finding)) {
		if e.Webhooks == nil {
			return
		}
		all, err := e.Webhooks(ctx)
		if err != nil {
			found(notChecked(code, "webhooks: they could not be read"))
			return
		}
		well := 0
		for _, w := range all {
			if w.Failures == 0 && !w.Paused {
				well++
				continue
			}
			f := Finding{"webhook.failing", Warning, "", e.curl("POST", fmt.Sprintf("/webhooks/%s/deliveries/%d/retry", w.ID, w.First))}
			f.Text = fmt.Sprintf("the webhook %s (%s) has failed %s since %s; %s", w.ID, w.Where, plural(w.Failures, "time", "times"), w.FailingSince.UTC().Format("2006-01-02 15:04Z"), plural(int(w.Waiting), "delivery waits", "deliveries wait"))
			if w.Paused {
				f.Code, f.State = "webhook.paused", Error
				f.Text = fmt.Sprintf("the webhook %s (%s) is paused, because it failed for two days; %s", w.ID, w.Where, plural(int(w.Waiting), "delivery waits", "deliveries wait"))
			}
			if w.LastError != "" {
				f.Text += ": " + inSentence(w.LastError)
			}
			found(f)
		}
		if well > 0 {
			found(ok(code, "webhooks that take their deliveries: %d", well))
		}
	}}
}

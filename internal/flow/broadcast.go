package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/webhook/incoming"
)

const (
	// maxBroadcasts is the most calls of the Fluid service for one change at the same time.
	maxBroadcasts = 8
	// broadcastTime bounds all calls for one change.
	broadcastTime = 10 * time.Second
)

// broadcast has the Fluid service at the address signal that a list changed, in every
// session that has it open. The signal carries no data and is sent once: a client that
// misses it fetches at the next change. A failure is logged.
func (f *Flow) broadcast(ctx context.Context, address, list string, sessions []incoming.Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), broadcastTime)
	defer cancel()
	body, err := signalContent(list)
	if err != nil {
		return
	}
	calling := make(chan struct{}, maxBroadcasts)
	var calls sync.WaitGroup
	for _, s := range sessions {
		calling <- struct{}{}
		calls.Go(func() {
			defer func() { <-calling }()
			if err := f.signalFluid(ctx, address, s, body); err != nil {
				f.o.Log.Warn("echo.broadcast did not take the signal that a list changed", "list", list, "tenantId", s.TenantID, "documentId", s.DocumentID, "error", err)
			}
		})
	}
	calls.Wait()
}

// signalContent returns the body of broadcast-signal, as Fluid's service reads it.
func signalContent(list string) ([]byte, error) {
	type object = map[string]any
	return json.Marshal(object{"signalContent": object{"contents": object{"type": signalType, "content": object{"externalTaskListId": list}}}})
}

// signalFluid calls the Fluid service once. The error shows only the host of its address.
func (f *Flow) signalFluid(ctx context.Context, address string, s incoming.Session, body []byte) error {
	at := address + "/" + url.PathEscape(s.TenantID) + "/" + url.PathEscape(s.DocumentID) + "/broadcast-signal"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return errors.New("echo.broadcast cannot be called")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := outbound.OrRefuse(f.o.HTTP).Do(req)
	if err != nil {
		return fault.WithoutURL(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // a body that was read lets the connection be used again
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s answers %s", req.URL.Host, fault.Status(resp.StatusCode))
	}
	return nil
}

package deployment

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
)

const (
	// maxLine bounds a line: an event, in which every byte may be escaped.
	maxLine = 1 << 30
	// lineTimeout bounds the wait for the next line. The whole stream has no bound.
	lineTimeout = 3 * time.Minute
)

// errBroken wraps the cause of a stream that ended too early.
type errBroken struct{ error }

// Records calls each with the lines of GET /events at the path, in their order, and what
// they hold. A stream that breaks off goes on behind the last line. Records gives up if
// that fails maxFailures times without a further line, or if there was no line at all.
func (c *Client) Records(ctx context.Context, path string, query url.Values, each func(line []byte, r *event.Record) error) error {
	var last *event.Record
	query = copied(query)
	for failures := 0; ; {
		before := last
		err := c.stream(ctx, path+"?"+query.Encode(), func(line []byte, r *event.Record) error {
			if last != nil && r.Ref().Compare(last.Ref()) <= 0 {
				return nil // since begins with lines that are known
			}
			last = r
			return each(line, r)
		})
		broken, ok := errors.AsType[errBroken](err)
		switch {
		case !ok || ctx.Err() != nil:
			return err
		case last == nil:
			return broken.error
		}
		query.Set("since", last.ReceivedAt.Format(time.RFC3339Nano))
		if last != before {
			failures = 0
			continue
		}
		if failures++; failures == maxFailures {
			return fmt.Errorf("the list of events is not complete: %w", broken.error)
		}
		select {
		case <-time.After(failurePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func copied(query url.Values) url.Values {
	out := url.Values{}
	for name, values := range query {
		out[name] = values
	}
	return out
}

// stream calls each with the lines of one answer. Its error is an errBroken if the stream
// ended too early, or the server did not answer.
func (c *Client) stream(ctx context.Context, path string, each func([]byte, *event.Record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stalled := time.AfterFunc(lineTimeout, cancel)
	defer stalled.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	c.identify(req)
	resp, err := c.patient().http.Do(req) // the whole answer has no bound
	if err != nil {
		return errBroken{fmt.Errorf("%s does not answer: %w", c.base, fault.WithoutURL(err))}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		refused := c.refusal(&answer{resp.StatusCode, resp.Header, b})
		if err != nil || resp.StatusCode >= 500 {
			return errBroken{refused}
		}
		return refused
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		stalled.Reset(lineTimeout)
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var l event.Line
		// A connection that breaks may end within a line.
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return errBroken{fmt.Errorf("%s does not answer like Headgate: %w", c.base, err)}
		}
		if l.Broken != nil {
			return errBroken{errors.New(l.Broken.Error)}
		}
		if err := each(lines.Bytes(), &l.Record); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return errBroken{fmt.Errorf("%s did not finish its answer: %w", c.base, err)}
	}
	return nil
}

package deployment

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/headgate/headgate/internal/platform/fault"
)

// maxEvent bounds a line of an event stream, because the address may not be a Headgate's.
const maxEvent = 1 << 20

// RefusedError says that the server opens no stream for this caller. To try again does not
// help.
type RefusedError struct{ err error }

func (e *RefusedError) Error() string { return e.err.Error() }
func (e *RefusedError) Unwrap() error { return e.err }

// Stream reads an event stream of the server and calls each with the data of every event.
// It returns why the stream ended, and is never nil.
func (c *Client) Stream(ctx context.Context, path string, each func(data []byte)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	c.identify(req)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.patient().http.Do(req)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", c.base, fault.WithoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxEvent)) // what it says is a help, and no more
		err := c.refusal(&answer{resp.StatusCode, resp.Header, b})
		if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
			err = &RefusedError{err}
		}
		return err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok {
			each(data)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s ended the stream: %w", c.base, err)
	}
	return fmt.Errorf("%s ended the stream", c.base)
}

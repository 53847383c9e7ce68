package deployment

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/headgate/headgate/internal/platform/fault"
)

// Download returns the body of an answer of success while it arrives, however long it is.
// The caller closes it. The path has its query. A body that breaks off ends with an error.
func (c *Client) Download(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.agent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	endless := http.Client{Transport: c.http.Transport} // without a bound for the whole answer
	resp, err := endless.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s does not answer: %w", c.base, fault.WithoutURL(err))
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s did not finish its answer: %w", c.base, err)
	}
	return nil, c.refusal(&answer{resp.StatusCode, resp.Header, b})
}

package live

import "time"

// next returns in how long the client's next beat is due: in d, or when its token
// expires, if that is sooner.
func (c *Client) next(d time.Duration) time.Duration {
	if c.until.IsZero() {
		return d
	}
	return max(min(d, c.until.Sub(c.hub.o.Now())), time.Millisecond)
}

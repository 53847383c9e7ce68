package fault_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
)

func TestWithoutURL(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	call := &url.Error{Op: "Get", URL: "https://user:s3cret@host/?sig=s3cret", Err: cause}
	require.Equal(t, cause, fault.WithoutURL(call))
	require.Equal(t, cause, fault.WithoutURL(fmt.Errorf("called %w", call)), "nor what was said with it")
	require.Equal(t, cause, fault.WithoutURL(cause))
	require.NoError(t, fault.WithoutURL(nil))
}

// The pause that an error asks for is found behind other errors, too.
func TestAsked(t *testing.T) {
	t.Parallel()
	f := fault.New(fault.Unavailable, "x")
	require.Zero(t, fault.Asked(f))
	require.Zero(t, fault.Asked(nil))
	f.RetryAfter = time.Second
	require.Equal(t, time.Second, fault.Asked(fmt.Errorf("push: %w", fault.Wrap(fault.Invalid, f, "y"))))
}

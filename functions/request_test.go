package functions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The answer to a body lists every fault, each with its path.
func TestBodyWithSeveralFaults(t *testing.T) {
	t.Parallel()
	f := newFluid(t, "")
	a := f.do("POST", "/register-session-url", `{"tenantId":7,"documentID":"d","externalTaskListId":"l","colour":"red"}`)
	requireProblem(t, a, 400, "the body is not valid: ", "tenantId: must be a string, not a number", "colour: ")
	require.Contains(t, string(a.raw), `"errors":[{"path":"tenantId",`)

	requireProblem(t, f.do("POST", "/register-session-url", `{"tenantId":`), 400, "the body is not valid: not JSON")
	requireProblem(t, f.do("POST", "/register-session-url", `{} {}`), 400, "the body is not valid: not JSON")
}

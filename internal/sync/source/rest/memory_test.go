package rest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// The memory of an answer is reserved for its bytes and for the decoded value, and all of
// it is released afterwards.
func TestAnswersTakeMemory(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body   string
		budget int64
		code   fault.Code
	}{
		"small":              {"[1]", 1, ""},
		"within the budget":  {"[1" + strings.Repeat(",1", 1<<17) + "]", 64 << 20, ""},
		"long":               {`"` + strings.Repeat("x", 1<<20) + `"`, 1 << 20, fault.TooLarge},
		"wide when decoded":  {"[1" + strings.Repeat(",1", 1<<17) + "]", 8 << 20, fault.TooLarge},
		"no bound":           {"[1" + strings.Repeat(",1", 1<<17) + "]", 0, ""},
		"over the own limit": {"[1" + strings.Repeat(",1", 1<<20) + "]", 1 << 30, fault.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(test.body)) }))
			defer s.Close()
			c := rest.Client{HTTP: s.Client(), Limit: 2 << 20}
			if test.budget > 0 {
				c.Memory = budget.New(test.budget)
			}
			a, err := c.Call(t.Context(), "GET", s.URL, nil, nil)
			require.Equal(t, test.code, fault.CodeOf(err), "%v", err)
			if err == nil {
				require.Len(t, a.Raw, len(test.body))
			} else {
				require.ErrorContains(t, err, "smaller pages")
			}
			require.Zero(t, c.Memory.Used())
		})
	}
}

package functions

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/deploy/deploytest"
)

// Whatever a deployment makes that calls, it calls a path that is served, and where there is a
// service per function that of the function which serves it.
func TestDeploymentsCallWhatIsServed(t *testing.T) {
	t.Parallel()
	mux, served := http.NewServeMux(), map[string]string{}
	for _, r := range routes {
		if r.methods != anyMethod && !strings.Contains(r.methods, http.MethodPost) {
			continue
		}
		for _, prefix := range []string{"", "/services/{serviceName}"} {
			pattern := prefix + r.path
			if served[pattern] != "" || pattern == r.path && prefix != "" {
				continue
			}
			mux.Handle(pattern, http.NotFoundHandler())
			served[pattern] = r.function
		}
	}
	for name, p := range deploytest.Plans(t) {
		var calls []deploy.Push
		for _, j := range p.Jobs {
			calls = append(calls, j.Calls)
		}
		for _, x := range p.Triggers {
			calls = append(calls, x.Calls)
		}
		for _, s := range p.Subscriptions {
			if s.Push != nil {
				calls = append(calls, *s.Push)
			}
		}
		require.NotEmpty(t, calls)
		for _, c := range calls {
			_, pattern := mux.Handler(httptest.NewRequest(http.MethodPost, c.Path, http.NoBody))
			require.Contains(t, served, pattern, "%s: nothing serves %s", name, c.Path)
			want := deploy.Name
			if strings.HasSuffix(name, "-split") {
				want += "-" + served[pattern]
			}
			require.Equal(t, want, c.Service, "%s: %s", name, c.Path)
			found := false
			for _, s := range p.Services {
				found = found || s.Name == c.Service
			}
			require.True(t, found, "%s: %s is not deployed", name, c.Service)
		}
	}
}

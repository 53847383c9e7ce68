package datacollect

import (
	"cmp"
	"net/http"

	"github.com/headgate/headgate/internal/platform/fault"
)

// The methods by which a call is authenticated.
const (
	noAuth     = "none"
	basicAuth  = "basic"
	apiKeyAuth = "api-key"
	bearerAuth = "bearer"
)

// methods maps what auth may be to the methods. Without auth all credentials are sent that
// the definition has.
var methods = map[string]string{
	"": "", noAuth: noAuth, basicAuth: basicAuth, apiKeyAuth: apiKeyAuth, "apiKey": apiKeyAuth, bearerAuth: bearerAuth, "token": bearerAuth,
}

// bearer returns the token of the method bearer. Many systems call it their API key.
func (s *settings) bearer() string { return cmp.Or(s.token, s.apiKey) }

// complete returns an error if the method's user is missing. A definition may lack the user:
// then each run is started with one.
func (s *settings) complete() error {
	if s.auth == basicAuth && s.username == "" {
		return fault.New(fault.Invalid, "datasource.extraFields: auth is basic, and there is no username: put it there, or start the run with credentials (POST /api/sync/external)")
	}
	return nil
}

// sign adds what the method says to a request.
func (s *settings) sign(r *http.Request) {
	sends := func(method string, value string) bool { return value != "" && (s.auth == method || s.auth == "") }
	if sends(apiKeyAuth, s.apiKey) {
		r.Header.Set("X-Api-Key", s.apiKey)
	}
	if sends(basicAuth, s.username) {
		r.SetBasicAuth(s.username, s.password)
	} else if s.auth == bearerAuth || sends(bearerAuth, s.token) {
		r.Header.Set("Authorization", "Bearer "+s.bearer())
	}
	if s.workflowID != "" { // it says which workflow is meant
		r.Header.Set("X-Workflow-Id", s.workflowID)
	}
	if s.callbackToken != "" && s.auth != noAuth {
		r.Header.Set("X-Callback-Token", s.callbackToken)
	}
}

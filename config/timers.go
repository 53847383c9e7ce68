package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/decode"
)

// Timers says how windows are closed on time where no process runs between requests.
type Timers struct {
	// projects/<project>/locations/<location>/queues/<name>
	Queue string `json:"queue" decode:"required" format:"queue"`
	// The address of the service that serves checks, such as https://headgate-check-….run.app. Omitted: publicURL.
	URL string `json:"url,omitempty" format:"publicURL"`
	// The account as which a task calls. It may be omitted only if everybody may call.
	ServiceAccount string `json:"serviceAccount,omitempty" format:"email"`
}

// TimersURL returns the address that the tasks of a service call, without a slash at the end;
// "": it has no timers.
func (c *Config) TimersURL(s Service) string {
	if s.Timers == nil {
		return ""
	}
	return strings.TrimRight(cmp.Or(s.Timers.URL, c.PublicURL), "/")
}

// timers checks that a task can reach the service, and may call it.
func (v *validator) timers(path string, c *Config, s *Service) {
	if s.Timers == nil {
		return
	}
	if s.Trigger.Window == "" || s.Trigger.Window == "sliding" {
		v.Add(path, "go with window anchored, tumbling or session only: a sliding window never closes")
	}
	url := c.TimersURL(*s)
	switch {
	case url == "":
		v.Add(path+".url", "is required where there is no publicURL: the address that the tasks call")
	case !strings.HasPrefix(strings.ToLower(url), "https://"):
		v.Add(path+".url", "must be https: Cloud Tasks sends its token there")
	}
	if c.Auth == nil {
		return
	}
	account := s.Timers.ServiceAccount
	oidc := c.Auth.OIDC
	switch {
	case account == "":
		v.Add(path+".serviceAccount", "is required beside auth, or every task is refused")
	case oidc == nil || !slices.ContainsFunc(slices.Concat(c.Auth.Members, oidc.Members), func(m Member) bool {
		return strings.EqualFold(m.Email, account) && slices.Contains(m.Roles, "operate")
	}):
		v.Add(path+".serviceAccount", `must be in auth.members or auth.oidc.members with the role "operate", and auth have oidc, or every task is refused`)
	case !slices.Contains(oidc.Audiences, url):
		v.Add(path+".url", "must be in auth.oidc.audiences, or every task is refused: %q", decode.Short(url))
	}
}

package incoming

import (
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/cel"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/list"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Ways to verify a webhook.
const (
	Standard = "standard" // Standard Webhooks, v1 and v1a
	GitHub   = "github"   // X-Hub-Signature-256, or another header of its form
	Bearer   = "bearer"
	None     = "none"
)

// Hook is a configured address that takes webhooks.
type Hook struct {
	Name     string
	Verify   string // Standard, GitHub, Bearer or None
	Header   string // the header of a GitHub signature
	Secrets  []string
	Entity   *Expression // nil: the webhook names no entity
	ID       *Expression // of the entity
	Signal   bool        // tell live clients that the entity changed
	Sync     string      // id of the sync to start; "": none
	Service  string      // of the gate that gets an event with EventKey
	EventKey string      // "": the gate gets none
}

// Check verifies a webhook and returns its id, "" if it has none. The error is
// Unauthenticated if the webhook does not prove that it comes from the configured sender.
func (h *Hook) Check(header http.Header, body []byte, now time.Time) (id string, err error) {
	switch h.Verify {
	case Standard:
		id, err = signature.Verify(h.Secrets, header, body, now)
	case GitHub:
		id, err = signature.VerifyGitHub(h.Secrets, h.Header, header, body)
	case Bearer:
		id, err = header.Get(signature.HeaderID), signature.VerifyBearer(h.Secrets, header)
	default:
		id = header.Get(signature.HeaderID)
	}
	if err != nil {
		return "", fault.Wrap(fault.Unauthenticated, err, "the webhook cannot be verified: %s", strings.TrimPrefix(err.Error(), "webhook: "))
	}
	if len(id) > list.MaxID {
		return "", fault.New(fault.Invalid, "the webhook's id must have at most %d bytes", list.MaxID)
	}
	return id, nil
}

// Named returns the entity that a webhook is about ("items" or "acme/items") and its id.
func (h *Hook) Named(header http.Header, body []byte) (entity, id string, err error) {
	if h.Entity == nil {
		return "", "", nil
	}
	value, err := cel.JSON(body)
	if err != nil {
		return "", "", fault.Wrap(fault.Invalid, err, "the body is not JSON")
	}
	headers := make(map[string]string, len(header))
	for name, v := range header {
		headers[strings.ToLower(name)] = strings.Join(v, ", ")
	}
	vars := map[string]any{"body": value, "headers": headers}
	if entity, err = h.Entity.text(vars); err == nil {
		id, err = h.ID.text(vars)
	}
	if err != nil {
		return "", "", fault.New(fault.Invalid, "the expressions of hook %s do not find the entity of this webhook: %s", h.Name, err)
	}
	return entity, id, nil
}

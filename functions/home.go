package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/platform/web"
)

type homeJSON struct {
	Functions []string `json:"functions"`
	OpenAPI   string   `json:"openapi"`
}

// home answers a person who opened the bare address. It redirects to the console if that is
// served, and lists the served functions otherwise. The Location is relative because a
// proxy may have put a prefix before the path.
func home(b *builder, _ string) web.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		if b.serves(Console) && consoleIsOpen(b.app) {
			w.Header().Set("Location", "console")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return nil
		}
		return web.JSON(w, http.StatusOK, homeJSON{b.names, "openapi.json"})
	}
}

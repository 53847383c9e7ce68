package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/web"
)

// maxFile is the largest file that may be uploaded, in bytes.
const maxFile = 32 << 20

// uploadFile stores a file for a sync of type csv.
func uploadFile(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := query(r); err != nil {
			return err
		}
		content, err := web.ReadBody(w, r, maxFile, "the limit of a file")
		if err != nil {
			return err
		}
		out, err := a.Exchange().Upload(r.Context(), r.PathValue("file"), content)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusOK, out)
	}
}

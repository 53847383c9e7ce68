package functions

import (
	"net/http"

	"github.com/headgate/headgate/internal/app"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/sync/exchange"
)

type columnsJSON struct {
	Reached   bool            `json:"reached" description:"Every datatype could be read."`
	Datatypes []exchange.Look `json:"datatypes"`
}

func showColumns(w http.ResponseWriter, looks []exchange.Look) error {
	out := columnsJSON{Reached: true, Datatypes: looks}
	for _, one := range looks {
		out.Reached = out.Reached && one.Error == ""
	}
	return web.JSON(w, http.StatusOK, out)
}

// getColumns connects to the source of a sync, and lists the columns of its datatypes.
func getColumns(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		looks, err := a.Exchange().Columns(r.Context(), r.PathValue("id"))
		if err != nil {
			return err
		}
		return showColumns(w, looks)
	}
}

// tryColumns is getColumns for a definition that need not be stored.
func tryColumns(a *app.App) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		def, err := readSync(a, w, r)
		if err != nil {
			return err
		}
		looks, err := a.Exchange().ColumnsOf(r.Context(), def)
		if err != nil {
			return err
		}
		return showColumns(w, looks)
	}
}

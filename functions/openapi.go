package functions

import (
	_ "embed"
	"net/http"
)

//go:generate go test -run ^TestDocument$ . -update
//go:embed openapi.json
var openapiJSON []byte

// serveDocument serves the description of all functions.
func serveDocument(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(openapiJSON)
	return err
}

package functions

import "github.com/headgate/headgate/internal/platform/web"

// route is a row of the table.
type route struct {
	methods  string     // separated by spaces; GET answers HEAD too
	path     string     // a ServeMux pattern's; per-service paths exist under /services/{service} too
	function string     // that serves it; "" is all of them
	role     string     // that a caller needs, where the configuration asks callers for credentials
	onGet    web.Access // what GET, HEAD and OPTIONS do; web.Takes also lets pages send events by other methods
	handle   endpoint
	doc      operation
}

const (
	public    = "public"                    // the role that everybody has
	anyMethod = "*"                         // the handler decides which methods it takes
	byHand    = "GET POST PUT PATCH DELETE" // any method that EventSync's callers may use to operate
)

// Paths that other files name.
const (
	eventPath = "/event/{key...}"
	hookPath  = "/hooks/{name}"
)

// noGet is the onGet of rows that take no GET. If another row of the path takes it, that row
// reads; otherwise GET gets 405.
const noGet = web.Reads

package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// introduction returns the text by which a serving process introduces itself to other
// processes that find its store in use: "process 71 http://127.0.0.1:8080". A process
// that serves one function adds its name, because it answers no other requests.
func (s Settings) introduction() string {
	text := fmt.Sprintf("process %d %s", os.Getpid(), s.Base)
	if s.Function != "" {
		text += " serving " + s.Function
	}
	return strings.TrimSpace(text)
}

// Server returns what to call the process that serves the embedded store, as in "process 71
// at http://127.0.0.1:8080", and the address at which it serves the function. Both are "" if no process serves the store. The
// address is also "" if the process has none, or serves another function only.
func (s Settings) Server(function string) (who, address string) {
	if s.Store != SQLite {
		return "", ""
	}
	who = sqlitestore.ServedBy(s.storeFile())
	said := strings.Fields(who) // "process", number, address, and perhaps "serving", a function
	if len(said) == 3 || len(said) == 5 && said[4] == function {
		address = said[2]
	}
	if len(said)%2 == 1 && len(said) > 1 { // it has an address
		who = strings.Join(slices.Insert(said, 2, "at"), " ")
	}
	return who, address
}

// StoreExists reports whether there is a store to open, so that a command that only reads
// does not create one. Only the embedded store can be missing.
func (s Settings) StoreExists() bool {
	if s.Store != SQLite {
		return true
	}
	_, err := os.Stat(s.storeFile())
	return !errors.Is(err, fs.ErrNotExist)
}

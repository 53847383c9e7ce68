package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// syncFunction is the function that answers for syncs.
const syncFunction = "syncrun"

// introduction is what a process that serves the embedded store says about itself to
// those who find the store in use: "process 71 http://127.0.0.1:8080". A process that
// serves one function names it, for it cannot be asked about anything else.
func (s Settings) introduction() string {
	text := fmt.Sprintf("process %d %s", os.Getpid(), s.Base)
	if s.Function != "" {
		text += " serving " + s.Function
	}
	return strings.TrimSpace(text)
}

// Server returns what the process that serves the embedded store says about itself,
// and the address at which it answers for syncs. Both are "" where no process serves
// the store; the address is "" where the process has none, or serves another function.
func (s Settings) Server() (who, address string) {
	if s.Store != SQLite {
		return "", ""
	}
	who = sqlitestore.ServedBy(s.storeFile())
	said := strings.Fields(who) // process, its number, its address; serving, a function
	if len(said) == 3 || len(said) == 5 && said[4] == syncFunction {
		address = said[2]
	}
	return who, address
}

// StoreExists reports whether there is a store to open, so that a command that only
// reads does not make one. Only the embedded store can be missing.
func (s Settings) StoreExists() bool {
	if s.Store != SQLite {
		return true
	}
	_, err := os.Stat(s.storeFile())
	return !errors.Is(err, fs.ErrNotExist)
}

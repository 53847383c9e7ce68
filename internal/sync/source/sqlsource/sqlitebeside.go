package sqlsource

import (
	"bytes"
	"errors"
	"io"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// firstPage is the beginning of every database's first page. headBytes of the page show
// whether the database is an embedded store.
var firstPage = []byte("SQLite format 3\x00")

const headBytes = 100

// notStoreWithin refuses a write-ahead log that contains the first page of an embedded
// store. SQLite reads the pages of a log as those of the file beside it. So a copy of the
// store's log beside any file gives access to the store's credentials.
func notStoreWithin(env source.Env, path string, log io.Reader) error {
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := log.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for at := bytes.Index(buf, firstPage); at >= 0; {
			if err := env.NotStore(path, buf[at:]); err != nil {
				return err
			}
			next := bytes.Index(buf[at+1:], firstPage)
			if next < 0 {
				break
			}
			at += 1 + next
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "url: the log beside the file could not be read")
		}
		buf = buf[:copy(buf, buf[max(0, len(buf)-headBytes):])] // the next page may begin in the last bytes
	}
}

package sqlsource

import (
	"bytes"
	"errors"
	"io"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

// firstPage is how the first page of every database begins, and headBytes how much of
// it shows whose it is.
var firstPage = []byte("SQLite format 3\x00")

const headBytes = 100

// notStoreWithin refuses a log with the first page of an embedded store. SQLite
// takes the pages of a log for those of the file beside it, whatever that is: so a copy of
// the log beside any file is a copy of the store.
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
		buf = buf[:copy(buf, buf[max(0, len(buf)-headBytes):])] // a page may begin at the end of what was read
	}
}

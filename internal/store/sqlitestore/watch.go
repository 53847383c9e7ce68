package sqlitestore

import (
	"io"
	"os"
	"time"
)

// Watch is told now and then how far a copy is, in bytes. A total of 0 says that the bytes are
// copied, and are checked for damage. All calls come one after the other.
type Watch func(done, total int64)

// watchEvery is the time between two looks at the size of a copy that SQLite writes.
const watchEvery = 100 * time.Millisecond

func (w Watch) checks() {
	if w != nil {
		w(0, 0)
	}
}

// grows watches a file that something else writes, until the function is called that it
// returns.
func (w Watch) grows(file string, total int64) (stop func()) {
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			if info, err := os.Stat(file); err == nil {
				w(min(info.Size(), total), total)
			}
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended); <-stopped }
}

// watchedFile tells of each read.
type watchedFile struct {
	io.Reader
	watch       Watch
	done, total int64
}

func (f *watchedFile) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	f.done += int64(n)
	f.watch(f.done, f.total)
	return n, err
}

package cli

import (
	"io"
	"io/fs"
	"iter"
	"sync/atomic"

	"github.com/headgate/headgate/internal/simulation"
)

// played yields the events, and shows how much of them is read.
func played(events io.Reader, out *progress) iter.Seq2[simulation.Event, error] {
	if out.silent {
		return simulation.Read(events)
	}
	counted := &countedReader{Reader: events}
	var total int64 // 0: unknown
	if f, ok := events.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			total = info.Size()
		}
	}
	return func(yield func(simulation.Event, error) bool) {
		for e, err := range simulation.Read(counted) {
			out.bytes("simulate", counted.n.Load(), total)
			if !yield(e, err) {
				return
			}
		}
	}
}

// countedReader counts bytes that another goroutine reads.
type countedReader struct {
	io.Reader
	n atomic.Int64
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n.Add(int64(n))
	return n, err
}

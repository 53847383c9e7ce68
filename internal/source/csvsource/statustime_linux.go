package csvsource

import (
	"io/fs"
	"syscall"
	"time"
)

// statusTime returns when the file, or what the file system says of it, last changed.
// No program can set that back.
func statusTime(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctim.Unix())
	}
	return info.ModTime()
}

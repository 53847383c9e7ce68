package csvsource

import (
	"io/fs"
	"os"
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

// keepOwner gives the new file the owner and the group of the old one, as far as the
// process may: only root gives files away, others may choose among their groups.
func keepOwner(f *os.File, old fs.FileInfo) {
	if s, ok := old.Sys().(*syscall.Stat_t); ok && f.Chown(int(s.Uid), int(s.Gid)) != nil {
		_ = f.Chown(-1, int(s.Gid)) // the file stays the process's
	}
}

package csvsource

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// statusTime returns the time of the last change of the file or of its metadata. Editors and
// copying programs can set back the time of the content, but no program can set back this one.
func statusTime(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctim.Unix())
	}
	return info.ModTime()
}

// keepOwner gives the new file the owner and the group of the old one, as far as possible:
// only root may change the owner; other users may choose one of their own groups.
func keepOwner(f *os.File, old fs.FileInfo) {
	if s, ok := old.Sys().(*syscall.Stat_t); ok && f.Chown(int(s.Uid), int(s.Gid)) != nil {
		_ = f.Chown(-1, int(s.Gid)) // keep at least the group
	}
}

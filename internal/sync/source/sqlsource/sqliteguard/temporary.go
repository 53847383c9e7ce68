package sqliteguard

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite sorts and keeps intermediate results in temporary files. A short query can make
// them as large as the disk. So guarded connections use a VFS that differs from the
// ordinary one in one point: the temporary files of all guarded connections together have
// at most MaxTemporary bytes. A write beyond that fails like a write to a full disk.

const (
	temporaryVFS = "headgate-temporary"
	// MaxTemporary is the largest size in bytes of all temporary files together.
	MaxTemporary = 1 << 30
	temporary    = sqlite3.SQLITE_OPEN_TEMP_DB | sqlite3.SQLITE_OPEN_TRANSIENT_DB | sqlite3.SQLITE_OPEN_TEMP_JOURNAL | sqlite3.SQLITE_OPEN_SUBJOURNAL
)

// sizes holds the sizes of open files by their address in SQLite.
type sizes struct {
	mu    sync.Mutex
	of    map[uintptr]int64
	total int64
	most  int64
}

// grow notes that a file grows to a number of bytes. It reports false, and notes nothing, if
// the file may not grow so far.
func (s *sizes) grow(file uintptr, to int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	more := to - s.of[file]
	if more <= 0 {
		return true
	}
	if s.total+more > s.most {
		return false
	}
	s.of[file], s.total = to, s.total+more
	return true
}

// cut notes that a file has shrunk to a number of bytes; 0: the file is closed.
func (s *sizes) cut(file uintptr, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if less := s.of[file] - to; less > 0 {
		s.of[file], s.total = to, s.total-less
	}
	if to == 0 {
		delete(s.of, file)
	}
}

// The VFS and the methods of its files. They are set before they are first used and never
// change afterwards.
var (
	temporaries = sizes{of: map[uintptr]int64{}, most: MaxTemporary}
	plainVFS    uintptr
	plain       sqlite3.Tsqlite3_io_methods // the ordinary methods of temporary files
	counted     uintptr                     // address of the methods that count
	counting    sync.Once
)

// valueAt returns a pointer to the value at an address in SQLite's memory.
func valueAt[T any](address uintptr) *T {
	return *(**T)(unsafe.Pointer(&address))
}

// function returns the Go function for a function pointer of translated C code.
func function[F any](pointer uintptr) F {
	return *(*F)(unsafe.Pointer(&pointer))
}

// registerVFS registers the VFS with SQLite.
func registerVFS(tls *libc.TLS) int32 {
	plainVFS = sqlite3.Xsqlite3_vfs_find(tls, 0)
	if plainVFS == 0 {
		return sqlite3.SQLITE_ERROR
	}
	name, err := libc.CString(temporaryVFS)
	if err != nil {
		return sqlite3.SQLITE_NOMEM
	}
	own := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	counted = libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(plain)))
	if own == 0 || counted == 0 {
		return sqlite3.SQLITE_NOMEM
	}
	vfs := valueAt[sqlite3.Tsqlite3_vfs](own)
	*vfs = *valueAt[sqlite3.Tsqlite3_vfs](plainVFS)
	vfs.FpNext, vfs.FzName, vfs.FxOpen = 0, name, pointerTo(openCounted)
	return sqlite3.Xsqlite3_vfs_register(tls, own, 0)
}

type (
	xOpen     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	xClose    = func(tls *libc.TLS, file uintptr) int32
	xWrite    = func(tls *libc.TLS, file, from uintptr, n int32, at int64) int32
	xTruncate = func(tls *libc.TLS, file uintptr, size int64) int32
)

// openCounted opens a file for SQLite. Temporary files get the methods that count.
func openCounted(tls *libc.TLS, _, name, file uintptr, flags int32, out uintptr) int32 {
	rc := function[xOpen](valueAt[sqlite3.Tsqlite3_vfs](plainVFS).FxOpen)(tls, plainVFS, name, file, flags, out)
	if rc != sqlite3.SQLITE_OK || flags&temporary == 0 {
		return rc
	}
	methods := valueAt[uintptr](file) // an open file starts with the address of its methods
	counting.Do(func() {
		plain = *valueAt[sqlite3.Tsqlite3_io_methods](*methods)
		own := valueAt[sqlite3.Tsqlite3_io_methods](counted)
		*own = plain
		own.FxClose, own.FxWrite, own.FxTruncate = pointerTo(closeCounted), pointerTo(writeCounted), pointerTo(truncateCounted)
		own.FiVersion = 2 // version 2 has no mapped memory, whose writes would not be counted
	})
	if *valueAt[sqlite3.Tsqlite3_io_methods](*methods) != plain { // a file with unknown methods, whose writes would not be counted
		_ = function[xClose](valueAt[sqlite3.Tsqlite3_io_methods](*methods).FxClose)(tls, file)
		*methods = 0
		return sqlite3.SQLITE_CANTOPEN
	}
	*methods = counted
	return rc
}

func closeCounted(tls *libc.TLS, file uintptr) int32 {
	temporaries.cut(file, 0)
	return function[xClose](plain.FxClose)(tls, file)
}

func writeCounted(tls *libc.TLS, file, from uintptr, n int32, at int64) int32 {
	if !temporaries.grow(file, at+int64(n)) {
		return sqlite3.SQLITE_FULL
	}
	return function[xWrite](plain.FxWrite)(tls, file, from, n, at)
}

func truncateCounted(tls *libc.TLS, file uintptr, size int64) int32 {
	rc := function[xTruncate](plain.FxTruncate)(tls, file, size)
	if rc == sqlite3.SQLITE_OK {
		temporaries.cut(file, size)
	}
	return rc
}

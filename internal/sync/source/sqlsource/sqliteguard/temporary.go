package sqliteguard

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite sorts, and keeps what a query has in between, in temporary files. A short query
// makes them as large as the disk. So guarded connections use the ordinary VFS with one
// difference: the temporary files of all of them together have at most MaxTemporary
// bytes. A write beyond that fails as it does on a full disk.

const (
	temporaryVFS = "headgate-temporary"
	// MaxTemporary is the most bytes of all temporary files.
	MaxTemporary = 1 << 30
	temporary    = sqlite3.SQLITE_OPEN_TEMP_DB | sqlite3.SQLITE_OPEN_TRANSIENT_DB | sqlite3.SQLITE_OPEN_TEMP_JOURNAL | sqlite3.SQLITE_OPEN_SUBJOURNAL
)

// sizes are those of open files, by their address in SQLite.
type sizes struct {
	mu    sync.Mutex
	of    map[uintptr]int64
	total int64
	most  int64
}

// grow reports whether the file may reach to that many bytes.
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

// cut notes that the file has that many bytes now; 0: it is closed.
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

// The VFS, and the methods of its files. They are written before the first connection
// and never again.
var (
	temporaries = sizes{of: map[uintptr]int64{}, most: MaxTemporary}
	plainVFS    uintptr
	plain       sqlite3.Tsqlite3_io_methods // of temporary files, as they were
	counted     uintptr                     // the same, with ours
	counting    sync.Once
)

// valueAt returns what lies at an address of SQLite's memory.
func valueAt[T any](address uintptr) *T {
	return *(**T)(unsafe.Pointer(&address))
}

// function returns the Go function that a pointer of translated C code stands for.
func function[F any](pointer uintptr) F {
	return *(*F)(unsafe.Pointer(&pointer))
}

// registerVFS makes the VFS known to SQLite.
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

// openCounted is called by SQLite to open a file.
func openCounted(tls *libc.TLS, _, name, file uintptr, flags int32, out uintptr) int32 {
	rc := function[xOpen](valueAt[sqlite3.Tsqlite3_vfs](plainVFS).FxOpen)(tls, plainVFS, name, file, flags, out)
	if rc != sqlite3.SQLITE_OK || flags&temporary == 0 {
		return rc
	}
	methods := valueAt[uintptr](file) // an open file begins with the address of its methods
	counting.Do(func() {
		plain = *valueAt[sqlite3.Tsqlite3_io_methods](*methods)
		own := valueAt[sqlite3.Tsqlite3_io_methods](counted)
		*own = plain
		own.FxClose, own.FxWrite, own.FxTruncate = pointerTo(closeCounted), pointerTo(writeCounted), pointerTo(truncateCounted)
		own.FiVersion = 2 // without mapped memory, which would be written past us
	})
	if *valueAt[sqlite3.Tsqlite3_io_methods](*methods) != plain { // a kind of file that is not known here
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

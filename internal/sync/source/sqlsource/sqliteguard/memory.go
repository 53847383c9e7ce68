package sqliteguard

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// A short statement can hold thousands of values in memory at once: as columns, as
// arguments, in subqueries and while it sorts. A limit for each value bounds none of that.
// So SQLite's allocator counts all memory of SQLite in this process. If a guarded
// connection asks for memory above the limit, it gets none and its statement fails. The
// memory of other connections, such as the embedded store's, is counted but never refused.
const (
	// maxMemory is the limit in bytes. If the process has a memory limit, a tenth of it is
	// the limit here, but at least minMemory: with less, SQLite cannot sort long rows.
	// The Go runtime does not count SQLite's memory. The tenth is the part that its own
	// limit leaves for memory that it does not count.
	maxMemory = 128 << 20
	minMemory = 64 << 20
)

var (
	bounded sync.Map     // *guard by the *libc.TLS of its connection
	held    atomic.Int64 // bytes that SQLite holds now
	most    atomic.Int64

	ordinary  sqlite3.Tsqlite3_mem_methods // SQLite's own allocator
	allocator = installAllocator()         // SQLite accepts one only before the process's first connection
)

// Memory returns the number of bytes above which guarded connections get no more memory.
func Memory() int64 { return most.Load() }

func boundMemory() { most.Store(share(debug.SetMemoryLimit(-1))) }

// share returns the part of a process's memory limit that SQLite may hold, in bytes.
func share(limit int64) int64 { return min(max(limit/10, minMemory), maxMemory) }

type (
	xMalloc  = func(tls *libc.TLS, n int32) uintptr
	xFree    = func(tls *libc.TLS, block uintptr)
	xRealloc = func(tls *libc.TLS, block uintptr, n int32) uintptr
	xSize    = func(tls *libc.TLS, block uintptr) int32
)

// installAllocator replaces SQLite's allocator by one that counts. It returns SQLite's
// result code.
func installAllocator() int32 {
	tls := libc.NewTLS()
	defer tls.Close()
	methods := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(ordinary)))
	arguments := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(methods)))
	if methods == 0 || arguments == 0 {
		return sqlite3.SQLITE_NOMEM
	}
	defer libc.Xfree(tls, arguments)
	defer libc.Xfree(tls, methods) // SQLite keeps a copy
	if rc := sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_GETMALLOC, libc.VaList(arguments, methods)); rc != sqlite3.SQLITE_OK {
		return rc
	}
	own := valueAt[sqlite3.Tsqlite3_mem_methods](methods)
	ordinary = *own
	own.FxMalloc, own.FxFree, own.FxRealloc = pointerTo(allocate), pointerTo(release), pointerTo(resize)
	return sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_MALLOC, libc.VaList(arguments, methods))
}

// aLot is the size in bytes from which a stopped statement gets no more memory. A statement
// that makes long values ends earlier in this way.
const aLot = 16 << 10

// take counts n more bytes. It reports false and counts nothing if the connection is
// guarded and may not have them.
func take(tls *libc.TLS, n int64) bool {
	room := held.Add(n) <= most.Load() || n <= 0
	if room && n < aLot {
		return true
	}
	known, ok := bounded.Load(tls)
	if !ok {
		return true
	}
	g := known.(*guard)
	if room && !g.stopped.Load() {
		return true
	}
	held.Add(-n)
	if !room {
		g.refused.Store(true)
	}
	return false
}

func allocate(tls *libc.TLS, n int32) uintptr {
	if !take(tls, int64(n)) {
		return 0
	}
	block := function[xMalloc](ordinary.FxMalloc)(tls, n)
	if block == 0 {
		held.Add(-int64(n))
	}
	return block
}

func release(tls *libc.TLS, block uintptr) {
	held.Add(-int64(function[xSize](ordinary.FxSize)(tls, block)))
	function[xFree](ordinary.FxFree)(tls, block)
}

// resize counts the old and the new block until the content is copied, because both exist
// at once.
func resize(tls *libc.TLS, block uintptr, n int32) uintptr {
	before := int64(function[xSize](ordinary.FxSize)(tls, block))
	if !take(tls, int64(n)) {
		return 0
	}
	moved := function[xRealloc](ordinary.FxRealloc)(tls, block, n)
	if moved == 0 {
		held.Add(-int64(n))
		return 0
	}
	held.Add(-before)
	return moved
}

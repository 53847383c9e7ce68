package sqliteguard

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// A short statement has thousands of values in memory at once: as columns, as arguments,
// in subqueries, and while it sorts. A limit for each value bounds none of that. So
// SQLite's own allocator counts: a guarded connection that asks for memory while all of
// SQLite in this process has that much is refused, and its statement fails. Others, as
// the embedded store's, are counted, and never refused.
const (
	// maxMemory is the most bytes that guarded connections make SQLite have. A process
	// whose memory is limited lets them have a tenth of it, as the Go runtime leaves that
	// to what it does not count, but at least minMemory: less sorts no long rows.
	maxMemory = 128 << 20
	minMemory = 64 << 20
)

var (
	bounded sync.Map     // of *guard, by the thread that SQLite knows its connection by
	held    atomic.Int64 // bytes that SQLite has
	most    atomic.Int64

	ordinary  sqlite3.Tsqlite3_mem_methods // SQLite's own
	allocator = installAllocator()         // SQLite takes one only before its first connection in the process
)

// Memory returns how many bytes SQLite may have before guarded connections are refused more.
func Memory() int64 { return most.Load() }

func boundMemory() { most.Store(share(debug.SetMemoryLimit(-1))) }

// share returns how many of a limit's bytes SQLite may have.
func share(limit int64) int64 { return min(max(limit/10, minMemory), maxMemory) }

type (
	xMalloc  = func(tls *libc.TLS, n int32) uintptr
	xFree    = func(tls *libc.TLS, block uintptr)
	xRealloc = func(tls *libc.TLS, block uintptr, n int32) uintptr
	xSize    = func(tls *libc.TLS, block uintptr) int32
)

// installAllocator returns SQLite's code for how it went.
func installAllocator() int32 {
	tls := libc.NewTLS()
	defer tls.Close()
	methods := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(ordinary)))
	arguments := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(methods)))
	if methods == 0 || arguments == 0 {
		return sqlite3.SQLITE_NOMEM
	}
	defer libc.Xfree(tls, arguments)
	defer libc.Xfree(tls, methods) // SQLite copies them
	if rc := sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_GETMALLOC, libc.VaList(arguments, methods)); rc != sqlite3.SQLITE_OK {
		return rc
	}
	own := valueAt[sqlite3.Tsqlite3_mem_methods](methods)
	ordinary = *own
	own.FxMalloc, own.FxFree, own.FxRealloc = pointerTo(allocate), pointerTo(release), pointerTo(resize)
	return sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_MALLOC, libc.VaList(arguments, methods))
}

// aLot is how many bytes a statement that is to end gets no more of: what ends it
// early is that it makes long values.
const aLot = 16 << 10

// take counts n bytes more, unless the connection is guarded and may have no more.
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

// resize counts both blocks until the content is copied.
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

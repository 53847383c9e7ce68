package live

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// State is an entity as clients may see it.
type State struct {
	// Version differs between any two states of the entity that differ otherwise. Of
	// an entity that is gone it is not used.
	Version string
	// Rows are sent to clients. A Plain client gets each as a frame. A Versioned client
	// gets one row as it is, and several as a JSON array. Rows may be any bytes, see
	// [Hub.Handle]. They must not be changed any more.
	Rows [][]byte
	// Gone says that there is no such entity.
	Gone bool
}

// ErrDenied says that the secret may not see the entity. A Versioned client is told so,
// a Plain client gets nothing.
var ErrDenied = errors.New("live: not allowed")

// Resolver fetches entities where [Hub.Handle] is not enough: because the server has
// versions of its own, or because all clients see the same.
type Resolver interface {
	// Resolve returns the state of an entity for a secret. After ErrDenied or a
	// *SecretError it is called again when the entity changes or versions are compared. Any
	// other error is retried soon. Resolve is called from many goroutines, but not twice at
	// the same time for the same key and secret. ctx ends after ten seconds, or with the hub.
	Resolve(ctx context.Context, key Key, secret string) (State, error)
	// PerSecret reports whether the secret makes a difference. Where it makes none, one
	// fetch serves every client, and Resolve gets the secret "".
	PerSecret() bool
}

type announced struct{}

func announcedIn(ctx context.Context, yes bool) context.Context {
	return context.WithValue(ctx, announced{}, yes)
}

// Announced reports whether Resolve is called because a change was announced, for instance by
// [Hub.Notify]. Otherwise versions are compared, or a client asks for the state. It is for
// resolvers whose versions are costly to find: an announced change may have any new version.
// ctx is the one that [Resolver] got.
func Announced(ctx context.Context) bool {
	yes, _ := ctx.Value(announced{}).(bool)
	return yes
}

// Handle says how entities of a type are fetched, "items" or "acme/items". Call it
// before clients connect. It panics if the entity has a handler or cannot be named so.
// A subscription to an entity that has neither a handler nor a [Resolver] is logged as a
// warning, and a Versioned client gets the error "invalid".
//
// fetch returns the rows of the entity that the secret may see, or no rows if there is
// no such entity, or [ErrDenied]. Any other error is retried. It is called once for
// each change and secret, however many clients subscribed, and from many goroutines. If
// all secrets see the same, a [Resolver] costs fewer calls. ctx ends after ten seconds,
// or with the hub.
//
// Rows may be any bytes. Plain clients get each as a frame: text if it is UTF-8, binary
// otherwise. Versioned clients get JSON as it is. If a row is not JSON, they get the
// rows in base64, and the frame says "encoding":"base64". The version is a hash of the
// rows. The hub keeps the rows, so fetch must not change them later.
func (h *Hub) Handle(entity string, fetch func(ctx context.Context, key Key, secret string) (rows [][]byte, err error)) {
	k := KeyOf(entity, "-")
	if !k.subscribable() {
		panic("live: no entity can be named " + entity)
	}
	h.handlersMu.Lock()
	defer h.handlersMu.Unlock()
	if _, taken := h.handlers[k.Entity()]; taken {
		panic("live: a second handler of " + entity)
	}
	h.handlers[k.Entity()] = rowsResolver(fetch)
}

// resolverOf returns the resolver of the key; it is never nil.
func (h *Hub) resolverOf(k Key) Resolver {
	h.handlersMu.RLock()
	r := h.handlers[k.Entity()]
	h.handlersMu.RUnlock()
	if r == nil && h.o.Resolver != nil {
		r = h.o.Resolver(k)
	}
	if r == nil {
		return nothing{}
	}
	return r
}

// maxUnhandled bounds the entities without a handler that are logged: clients choose their
// names.
const maxUnhandled = 20

// handles reports whether the key has a resolver. It logs each entity that has none once,
// because a Plain client that subscribes to it cannot be told.
func (h *Hub) handles(k Key) bool {
	if _, none := h.resolverOf(k).(nothing); !none {
		return true
	}
	h.handlersMu.Lock()
	_, known := h.unhandled[k.Entity()]
	log := !known && len(h.unhandled) < maxUnhandled
	if log {
		h.unhandled[k.Entity()] = struct{}{}
	}
	h.handlersMu.Unlock()
	if log {
		h.o.Log.Warn("a client subscribes to an entity that has no handler", "entity", k.Entity())
	}
	return false
}

// rowsResolver is the function that Handle got.
type rowsResolver func(ctx context.Context, key Key, secret string) ([][]byte, error)

func (rowsResolver) PerSecret() bool { return true }

func (f rowsResolver) Resolve(ctx context.Context, key Key, secret string) (State, error) {
	rows, err := f(ctx, key, secret)
	if err != nil {
		return State{}, err
	}
	return State{Version: hashOf(rows), Rows: rows, Gone: len(rows) == 0}, nil
}

// hashOf returns a version that no other rows have. Each length is part of it: "ab","c"
// and "a","bc" differ.
func hashOf(rows [][]byte) string {
	hash := sha256.New()
	for _, row := range rows {
		hash.Write(binary.AppendUvarint(nil, uint64(len(row))))
		hash.Write(row)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// nothing is the resolver of entities that the server does not know.
type nothing struct{}

func (nothing) PerSecret() bool { return false }

func (nothing) Resolve(context.Context, Key, string) (State, error) { return State{Gone: true}, nil }

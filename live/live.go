// Package live pushes what changed to every client that subscribed to it,
// whichever instance the client is on.
//
// A change is a signal on the bus: the key of an entity, no data. Every instance
// that has subscribers fetches the entity, once for all of them, and writes it to
// each. Promises:
//
//   - Registering comes before reading: no change falls between.
//   - What a client is sent of an entity never goes back: fetches of one entity
//     follow each other, and each begins after the signal that it is for.
//   - A slow client costs no more than its subscriptions: of each entity it holds
//     the newest state only. It never slows another, and is closed when one write
//     blocks for ten seconds.
//   - A signal that is lost is made up for by comparing versions from time to time.
//
// On failure: an entity that cannot be fetched is tried again; an instance that
// lost the bus closes its clients with 1012, so that they go to another.
package live

import (
	"context"
	"errors"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
)

// DefaultOrg is the organisation of an entity that names none.
const DefaultOrg = "default"

// Any is the id of a subscription to all entities of a type.
const Any = "*"

// Key names an entity.
type Key struct {
	Org  string `json:"org"`
	Type string `json:"type"`
	ID   string `json:"id"`
}

// KeyOf is the key of an entity as clients name it: "items", or "acme/items" for
// that of another organisation.
func KeyOf(entity, id string) Key {
	if org, typ, ok := strings.Cut(entity, "/"); ok {
		return Key{org, typ, id}
	}
	return Key{DefaultOrg, entity, id}
}

// Entity is what clients call the key's type, and no other's.
func (k Key) Entity() string {
	if k.Org == DefaultOrg && !strings.Contains(k.Type, "/") {
		return k.Type
	}
	return k.Org + "/" + k.Type
}

const (
	maxEntity = 512
	maxID     = 1000
)

// Valid is whether there can be such an entity.
func (k Key) Valid() bool {
	return k.Org != "" && k.Type != "" && k.ID != "" && len(k.Org)+len(k.Type) <= maxEntity && len(k.ID) <= maxID
}

// CheckChanged is whether a change of such an entity can be told. Invalid: why not.
func (k Key) CheckChanged() error {
	switch {
	case k.ID == Any:
		return fault.New(fault.Invalid, `the id "*" is no entity's: name each that changed`)
	case !k.Valid():
		return fault.New(fault.Invalid, "entity and id must not be empty, and have at most %d and %d bytes", maxEntity, maxID)
	}
	return nil
}

// State is an entity as a client may see it.
type State struct {
	// Version differs where anything else does. "" if there is none.
	Version string
	// Rows are JSON, one frame each for plain clients.
	Rows [][]byte
	Gone bool
}

// ErrDenied says that the secret may not see the entity.
var ErrDenied = errors.New("live: not allowed")

// Resolver finds the state of an entity for a secret.
type Resolver interface {
	Resolve(ctx context.Context, key Key, secret string) (State, error)
	// PerSecret is whether the secret makes a difference; where it makes none, one
	// fetch serves everybody.
	PerSecret() bool
}
